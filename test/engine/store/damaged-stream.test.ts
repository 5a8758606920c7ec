import t from 'tap'
import { CorruptionError, type EventReader, type EventStore } from '../../../engine/index.js'
import { FRAME_EVENT, FRAME_KIND } from '../../../engine/format/frame.js'
import { openReadOnly } from '../../../engine/store/open-store.js'
import { numbered, sized, TestMachine } from './test-machine.js'

/** A closed store with a stream of 10 small events and one of 100 larger ones, and another beside them. */
async function store(): Promise<TestMachine> {
  const machine = new TestMachine()
  const writer = await machine.open({ durability: 'os' })
  await writer.append('small', numbered(10))
  await writer.append(
    'large',
    Array.from({ length: 100 }, () => sized(900)),
  )
  await writer.append('other', numbered(3))
  await writer.checkpoint()
  await writer.close()
  return machine
}

/** Changes a bit of the record of an event in the file of its stream. Returns where it stands. */
function spoil(machine: TestMachine, stream: string, offset: number): { readonly file: string; readonly byte: number } {
  const file = machine.find('.seg').find((path) => path.includes(`/${stream}@`))!
  const bytes = machine.contents(file)
  let byte = bytes.readUInt32LE(12)
  while (bytes[byte + FRAME_KIND] !== FRAME_EVENT || bytes.readUInt32LE(byte + 24) !== offset) {
    byte += bytes.readUInt32LE(byte)
  }
  bytes[byte + 20]! ^= 1
  machine.write(file, bytes)
  return { file, byte }
}

/** Offsets that are read, and the damage that ends it. */
async function readUp(reader: EventReader): Promise<{ offsets: number[]; damage: CorruptionError | undefined }> {
  const offsets: number[] = []
  try {
    for await (const { offset } of reader) offsets.push(offset)
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error
    return { offsets, damage: error }
  }
  return { offsets, damage: undefined }
}

const upTo = (end: number, first = 0): number[] => Array.from({ length: end - first }, (_, i) => first + i)

for (const readOnly of [false, true]) {
  const opened = (machine: TestMachine): Promise<EventStore> =>
    readOnly ? openReadOnly(machine.environment, '/store', { readOnly }) : machine.open()
  const whose = readOnly ? 'a reader' : 'the writer'

  t.test(`[U3] [fault 39] ${whose} reads a damaged stream up to the damage, which is named`, async (t) => {
    for (const [stream, offsets] of [
      ['small', [0, 1, 5, 9]],
      ['large', [0, 1, 50, 98, 99]],
    ] as const) {
      for (const offset of offsets) {
        const machine = await store()
        const place = spoil(machine, stream, offset)
        const reading = await opened(machine)
        const whole = await readUp(reading.readStream(stream))
        t.same(whole.offsets, upTo(offset), `${stream}, ${offset}`)
        t.match(whole.damage, { code: 'ERR_CORRUPT', ...place, stream, offset })
        const from = Math.max(0, offset - 2)
        t.same((await readUp(reading.readStream(stream, { fromOffset: from }))).offsets, upTo(offset, from))
        if (offset > 0) {
          const part = await readUp(reading.readStream(stream, { limit: offset - 1 }))
          t.same(part, { offsets: upTo(offset - 1), damage: undefined }, 'what is asked for is before the damage')
          const back = await readUp(reading.readStream(stream, { fromOffset: offset - 1, direction: 'backward' }))
          t.same(back, { offsets: upTo(offset).reverse(), damage: undefined })
        }
        const newest = await readUp(reading.readStream(stream, { direction: 'backward' }))
        t.ok(newest.damage !== undefined, 'the newest event cannot be served, or the way back leads over the damage')
        t.same(await readUp(reading.readStream('other')), { offsets: [0, 1, 2], damage: undefined })
        t.equal((await readUp(reading.readAll())).offsets.length, 113, 'the log has them all')
        await reading.close()
      }
    }
  })
}

t.test('[fault 39] nothing is appended behind the damage of a small stream that was read', async (t) => {
  const machine = await store()
  const place = spoil(machine, 'small', 4)
  const writer = await machine.open()
  t.same((await readUp(writer.readStream('small'))).offsets, upTo(4))
  await t.rejects(writer.append('small', numbered(1)), { code: 'ERR_CORRUPT', ...place })
  await t.rejects(writer.streamInfo('small'), { code: 'ERR_CORRUPT' })
  t.equal((await writer.append('other', numbered(1))).version, 4)
  await writer.close()
})
