import t from 'tap'
import { streamKey } from '../../../engine/format/names.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { defaultLimits } from '../../../engine/limits.js'
import { Settler, type SettlerParts } from '../../../engine/store/settler.js'
import { StreamDirectory } from '../../../engine/streams/stream-directory.js'

/** A pass over one stream that an earlier session left, with a segment behind its end that nobody knows. */
async function passOver(fence: () => void): Promise<{ readonly isThere: boolean; readonly failures: unknown[] }> {
  const environment = memoryEnvironment()
  const { files } = environment
  files.makeDirectories('/store/streams')
  const streams = new StreamDirectory(files, '/store/streams', Buffer.alloc(16), true)
  const key = streamKey('a')
  const path = streams.segmentPath(key, 50)
  files.makeDirectories(path.slice(0, path.lastIndexOf('/')))
  files.open(path, 'create').close()
  const failures: unknown[] = []
  const parts = {
    ...{
      environment,
      streams,
      fence,
      limits: defaultLimits,
      activity: { reads: 0 },
      log: {},
      flusher: { renew: () => Promise.resolve() },
      inheritedEnd: 10,
    },
    catalog: { get: () => ({ key, bases: [0], damage: undefined, last: undefined }) },
    writeBehind: { flush: () => Promise.resolve() },
    unsettled: { segments: [{ segment: {}, table: () => ({ names: () => ['a'] }) }], clear: () => undefined },
    settled: () => Promise.resolve(false),
    failed: (error: unknown) => failures.push(error),
  } as unknown as SettlerParts
  const settler = new Settler(parts)
  settler.startSoon()
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  await settler.stop()
  return { isThere: files.stat(path) !== undefined, failures }
}

t.test('what a crash has left behind the end of a stream is removed', async (t) => {
  t.match(await passOver(() => undefined), { isThere: false })
})

t.test(
  '[fault 71] [F4] and stays where this writer may have lost the store: its successor may have begun it',
  async (t) => {
    const lost = (): void => {
      throw new Error('lost')
    }
    t.match(await passOver(lost), { isThere: true })
  },
)
