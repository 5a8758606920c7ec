/**
 * The second reader by itself: it reads the examples of the document it was written from, and every kind of file that the engine
 * writes; and it does not let a wrong byte pass, or its agreement with the engine would mean little.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Environment } from '../../engine/io/file-system.js'
import { memoryEnvironment } from '../../engine/io/memory-environment.js'
import { openStore } from '../../engine/store/open-store.js'
import { codeBlocks } from '../docs/markdown.js'
import { assertAgrees, filesOfStore } from './agreement.js'
import { crc32c, hex } from './second-reader/bytes.js'
import { Damage } from './second-reader/damage.js'
import { readLog } from './second-reader/log.js'
import { streamFile } from './second-reader/names.js'
import { readFrame, readSeal, readShape } from './second-reader/records.js'
import { readStore, type StoreFiles } from './second-reader/store.js'
import { readStreamSegment } from './second-reader/streams.js'
import { decodeValue } from './second-reader/values.js'

const text = readFileSync('segments-format.md', 'utf8')
const [shape, seal, log, stream] = codeBlocks('segments-format.md', text)
  .filter(({ language }) => language === 'hex')
  .map(({ code }) => bytesOf(code))

/** The bytes of a block: offsets before two spaces and words behind two spaces are not part of them. */
function bytesOf(code: string): Uint8Array {
  const lines = code
    .split('\n')
    .map((line) => /^(?:[0-9a-f]{4} {2})?((?:[0-9a-f]{2} ?)+)(?: .*)?$/.exec(line)?.[1] ?? '')
  return Uint8Array.from(Buffer.from(lines.join('').replaceAll(' ', ''), 'hex'))
}

const limits = {
  logSegmentBytes: 2048,
  streamSegmentBytes: 1024,
  indexIntervalBytes: 128,
  eventBytes: 8192,
  groupBytes: 4096,
}

async function smallStore(environment: Environment, settled: boolean): Promise<StoreFiles> {
  const store = await openStore(environment, '/store', { limits })
  for (let i = 0; i < 60; i++) {
    await store.appendMany(
      [
        { stream: `s-${i % 3}`, events: [{ type: 'A', data: { n: i, list: [new Date(i), 2n ** BigInt(i * 3)] } }] },
        {
          stream: 'Ü/x',
          events: [
            {
              type: 'B',
              data: new Map([[i, new Set([i])]]),
              metadata: { correlationId: `c${i}` },
              tags: [`ü${i}`, 'all'],
            },
          ],
        },
      ],
      i % 4 === 0 ? { commitId: `commit ${i}` } : {},
    )
    if (i % 20 === 7) await store.flush()
  }
  const files = filesOfStore(environment.files, '/store')
  await assertAgrees(files, { store, indexIntervalBytes: 128 })
  if (settled) await store.checkpoint()
  await store.close()
  return files
}

t.test('[F2] it reads what the document shows', (t) => {
  t.equal(crc32c(new TextEncoder().encode('123456789')), 0xe3069283)
  t.same(readShape(readFrame(shape!, 0)), { id: 5, keys: ['id', 'name'] })
  t.equal(readSeal(readFrame(seal!, 0)), 3)

  const storeId = Uint8Array.from({ length: 16 }, (_, i) => i)
  const { segments, stop } = readLog([{ base: 0, epoch: 1, bytes: log! }], storeId)
  t.match(stop, { byte: log!.length, verdict: 'end' })
  const events = segments[0]!.records.map(({ event }) => event)
  t.match(events, [
    {
      stream: 'cart-1',
      offset: 0,
      type: 'Opened',
      data: null,
      metadata: { correlationId: 'c7' },
      first: true,
      last: true,
    },
    { stream: 'cart-1', offset: 1, type: 'Added', data: { sku: 'tea', n: 2 }, first: true, last: false },
    { stream: 'Stock', offset: 0, type: 'Reserved', timestamp: Date.parse('2023-11-14T22:13:19.500Z'), last: true },
  ])
  const segment = readStreamSegment(streamFile('cart-1', 0), stream!, storeId)
  t.equal(segment.stopped, undefined)
  t.same(
    segment.records.map(({ event }) => event),
    events.slice(0, 2),
  )

  const rows = [...text.matchAll(/^\| `(.+)` \| `(.+)@0000000000000000\.seg` \|$/gm)]
  t.ok(rows.length >= 6)
  for (const [, name, file] of rows) {
    t.equal(
      streamFile(name!.startsWith('x repeated') ? 'x'.repeat(181) : name!, 0),
      `streams/${file!}@0000000000000000`,
    )
  }
  const shapes = new Map([[5, ['id', 'name']]])
  for (const example of ['c10501a178', '82a2696401a46e616d65a178']) {
    t.ok(text.replaceAll(' ', '').includes(`\`${example}\``))
    t.same(decodeValue(Buffer.from(example, 'hex'), shapes, new Set()), { id: 1, name: 'x' })
  }
  t.end()
})

t.test('[F2] it reads every kind of file and agrees with the engine', async (t) => {
  const environment = memoryEnvironment()
  const files = await smallStore(environment, false)
  const { records, streams, log, segments, checkpoint } = await assertAgrees(files, { indexIntervalBytes: 128 })
  t.equal(records.length, 120)
  t.same([...streams.keys()].sort(), ['s-0', 's-1', 's-2', 'Ü/x'])
  t.ok(log.segments.length > 3 && segments.get('Ü/x')!.length > 3, 'several segments of both kinds')
  t.ok(checkpoint?.clean)
  const endings = new Set(files.list('log').map((name) => name.slice(-4)))
  t.same([...endings].sort(), ['.idx', '.key', '.log', '.tab', 'key1'])
})

t.test('[F2] it notices a flipped bit in any file', async (t) => {
  const environment = memoryEnvironment()
  const files = await smallStore(environment, true)
  let passed = 0
  let cases = 0
  const paths = ['annals', 'checkpoint']
  for (const folder of ['log', 'epoch', ...files.list('streams').map((shard) => `streams/${shard}`)]) {
    for (const name of files.list(folder)) paths.push(`${folder}/${name}`)
  }
  for (const path of paths) {
    const bytes = files.read(path)!
    for (let at = 0; at < bytes.length; at += 53) {
      const flipped = Uint8Array.from(bytes)
      flipped[at]! ^= 0x10
      cases++
      try {
        const { leftOut } = readStore(
          { list: (folder) => files.list(folder), read: (one) => (one === path ? flipped : files.read(one)) },
          { indexIntervalBytes: 128 },
        )
        // What is not settled may be wrong in the second copy: it is left out there, and stands in the log.
        if (leftOut.length > 0) continue
        passed++
        t.fail(`${path}, byte ${at} of ${bytes.length}: ${hex(bytes.subarray(at, at + 8))}`)
      } catch (error) {
        if (!(error instanceof Damage)) throw error
      }
    }
  }
  t.equal(passed, 0, `${cases} cases`)
})
