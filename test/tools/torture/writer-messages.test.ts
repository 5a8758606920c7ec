import t from 'tap'
import { AnnalsError } from '../../../engine/index.js'
import {
  encodeMessage,
  MessageParser,
  openPatiently,
  type WriterMessage,
} from '../../../tools/torture/writer-messages.js'

const messages: readonly WriterMessage[] = [
  { kind: 'ready' },
  { kind: 'opening' },
  { kind: 'acknowledged', commit: 12 },
  { kind: 'acknowledged', commit: 3_000_000_001 },
  { kind: 'failed', code: 'ERR_IO', cause: 'EIO', message: 'a line\nand another' },
]

t.test('[L2] messages arrive whole, whatever pieces they come in', (t) => {
  const text = messages.map(encodeMessage).join('')
  for (let size = 1; size <= text.length; size++) {
    const parser = new MessageParser()
    const heard: WriterMessage[] = []
    for (let at = 0; at < text.length; at += size) heard.push(...parser.push(text.slice(at, at + size)))
    t.same(heard, messages)
  }
  t.end()
})

t.test('[L2] what a kill has cut off is no message', (t) => {
  const parser = new MessageParser()
  t.same(parser.push('12\n13'), [{ kind: 'acknowledged', commit: 12 }], 'commit 13 may have been 1300')
  t.end()
})

t.test('[L2] an opener waits for a lock, not for anything else, and not for ever', async (t) => {
  let calls = 0
  const locked = new AnnalsError('ERR_LOCKED', 'locked')
  t.equal(await openPatiently(async () => (++calls < 3 ? Promise.reject(locked) : 'open')), 'open')
  t.equal(calls, 3)
  await t.rejects(
    openPatiently(() => Promise.reject(new AnnalsError('ERR_IO', 'no'))),
    { code: 'ERR_IO' },
  )
  await t.rejects(
    openPatiently(() => Promise.reject(locked), 100),
    { code: 'ERR_LOCKED' },
  )
})
