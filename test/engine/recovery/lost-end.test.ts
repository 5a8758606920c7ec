/**
 * The end of a log that a checkpoint said to be durable, and that is not there: an opening that has to read the log without the checkpoint,
 * because nothing stands at its place, must not take that for a torn tail.
 */
import t from 'tap'
import { crc32c } from '../../../engine/format/crc32c.js'
import type { FileEventStore } from '../../../engine/index.js'
import { repair } from '../../../engine/recovery/repair.js'
import { verify } from '../../../engine/recovery/verify.js'
import { openReadOnly } from '../../../engine/store/open-store.js'
import { countUp, datas, numbered, sized, TestMachine } from '../store/test-machine.js'

const COMMITS = 9
const DAMAGE = { code: 'ERR_CORRUPT', reason: 'the log ends before the place that the checkpoint names' }

/** A closed store, and behind its checkpoint the epoch of a writer that was killed while it opened: the next one reads the log. */
async function closed(): Promise<TestMachine> {
  const machine = new TestMachine()
  const store = await machine.open()
  for (let n = 0; n < COMMITS; n++) await store.append('s', numbered(1, n))
  await store.close()
  machine.write('/store/epoch/0000000002', Buffer.alloc(0))
  return machine
}

const damages: Record<string, (bytes: Buffer) => void> = {
  'a bit of the last record': (bytes) => (bytes[bytes.length - 30]! ^= 4),
  'the last byte': (bytes) => (bytes[bytes.length - 1]! ^= 1),
  'zeros over its last sector': (bytes) => bytes.fill(0, bytes.length - 512),
  'zeros over all groups': (bytes) => bytes.fill(0, 96),
}

for (const [what, change] of Object.entries(damages)) {
  t.test(`[fault 39] [fault 41] [K3] ${what}: the end of a log that was durable is no torn tail`, async (t) => {
    const machine = await closed()
    const [path] = machine.find('.log') as [string]
    const bytes = machine.contents(path)
    change(bytes)
    machine.write(path, bytes)
    const before = machine.find('').filter((file) => !file.includes('/epoch/'))

    const store = await machine.open()
    t.match(store.recovery.damage, { ...DAMAGE, file: path })
    await t.rejects(store.append('s', numbered(1)), { code: 'ERR_CORRUPT' })
    await t.rejects(datas(store.readAll()), { code: 'ERR_CORRUPT' }, 'no read ends in silence before it')
    await store.close()
    const after = machine.find('').filter((file) => !file.includes('/epoch/'))
    t.same(after, before, 'nothing was begun behind it')
    t.same(machine.contents(path), bytes, 'nothing was cut off')

    const { findings } = await verify(machine.environment, '/store', {})
    t.ok(findings.some(({ severity, file }) => severity === 'damage' && file === path))
    await repair(machine.environment, '/store', {})
    const again = await machine.open()
    t.equal(again.recovery.damage, undefined)
    t.same(await datas(again.readAll()), countUp(COMMITS), 'the other copy has it all')
    t.same(await datas(again.readStream('s')), countUp(COMMITS))
    await again.close()
  })

  t.test(`[fault 39] [fault 41] ${what}: a reader is told too`, async (t) => {
    const machine = await closed()
    const [path] = machine.find('.log') as [string]
    const bytes = machine.contents(path)
    change(bytes)
    machine.write(path, bytes)
    await t.rejects(openReadOnly(machine.environment, '/store', { readOnly: true }), { ...DAMAGE, file: path })
  })
}

t.test('[fault 48] a checkpoint whose place is none, and behind which the log goes on, is made again', async (t) => {
  const machine = await closed()
  const earlier = new TestMachine()
  let store: FileEventStore = await earlier.open()
  await store.append('s', [sized(50)])
  await store.close()
  const checkpoint = earlier.contents('/store/checkpoint')
  checkpoint.set(machine.contents('/store/annals').subarray(20, 36), 20)
  checkpoint.writeUInt32LE(crc32c(checkpoint, 20, 96, crc32c(checkpoint, 0, 16)), 16)
  machine.write('/store/checkpoint', checkpoint)
  store = await machine.open()
  t.equal(store.recovery.damage, undefined)
  t.equal(store.recovery.checkpointLost, 'it names a place that is none')
  t.same(await datas(store.readAll()), countUp(COMMITS))
  await store.close()
})
