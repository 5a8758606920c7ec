import t from 'tap'
import { verify } from '../../../engine/recovery/verify.js'
import { Forge, forgedStore, logSegment } from '../../support/forge.js'
import { restore, STORE } from './verify-support.js'

const forge = new Forge()
const event = (position: number, offset: number): Buffer => forge.event({ stream: 'a', offset, position })

/** What is found where a log of these groups is all there is. */
async function found(bytes: Buffer): Promise<unknown[]> {
  const { files, logs, segment } = forgedStore([[[['a']]]])
  files.set(logs[0]!, bytes).delete(segment('a'))
  files.delete(`${STORE}/checkpoint`)
  const { findings } = await verify(restore(files), STORE, {})
  return findings.filter(({ invariant }) => invariant === 'I6').map(({ severity, offset }) => [severity, offset])
}

t.test(
  '[U3] offsets of events that only the log has follow each other; each stream names the first that does not',
  async (t) => {
    t.same(await found(logSegment([[event(0, 4)], [event(1, 5)]])), [], 'from whatever the segments have')
    t.same(await found(logSegment([[event(0, 0)], [event(1, 2)], [event(2, 9)]])), [['damage', 2]])
    const groups = [[event(0, 0)], [event(1, 1)], [event(2, 2)]]
    const damaged = logSegment(groups)
    damaged[logSegment(groups.slice(0, 1)).length + 84 + 70]! ^= 1
    t.same(await found(damaged), [['note', 2]], 'a gap is no news where the log has lost events')
  },
)
