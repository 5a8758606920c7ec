import t from 'tap'
import { verify } from '../../../engine/recovery/verify.js'
import { countUp, datas, numbered, TestMachine } from './test-machine.js'

/** A killed store of five events whose log ends in part of a group. */
async function torn(): Promise<TestMachine> {
  const machine = new TestMachine()
  const store = await machine.open()
  for (const i of countUp(5)) await store.append('a', numbered(1, i))
  machine.kill()
  store.close().catch(() => {})
  const [path] = machine.find('.log') as [string]
  const bytes = machine.contents(path)
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  const group = bytes.subarray(96, 140) // half the head of one
  machine.write(path, Buffer.concat([bytes.subarray(0, end + 3), group]))
  return machine
}

t.test(
  '[fault 26] where a torn tail cannot be cut off, what was acknowledged is read, and nothing else counts',
  async (t) => {
    for (const sticky of [false, true]) {
      const machine = await torn()
      // Recovery pins the end with the header of a new segment; only then, in the background, it cuts what lies behind.
      const opened = machine.open()
      machine.files.setFaults({ only: ({ kind }) => kind === 'truncate', failAt: 1, sticky })
      const store = await opened
      t.ok(store.recovery.tornBytes > 0)
      t.equal(store.recovery.damage, undefined)
      t.same(await datas(store.readAll()), countUp(5))
      const acknowledged = 5
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve)) // what is done in the background
      const refused = await store.append('a', numbered(1, acknowledged)).catch((error: unknown) => error)
      t.match(refused, { name: 'AnnalsError', code: 'ERR_WRITER_FAILED' }, 'the writer failed')
      t.equal(machine.files.failures, 1)
      t.same(await datas(store.readAll()), countUp(acknowledged), 'reading goes on')
      t.same(await datas(store.readStream('a')), countUp(acknowledged))
      await store.close().catch(() => {})

      const again = await machine.open()
      t.equal(again.recovery.damage, undefined)
      t.same(await datas(again.readAll()), countUp(acknowledged))
      t.same(await datas(again.readStream('a')), countUp(acknowledged))
      t.equal((await again.append('a', numbered(1, acknowledged))).version, acknowledged + 1)
      await again.close()
      t.match(await verify(machine.environment, '/store'), { ok: true, findings: [], events: acknowledged + 1 })
    }
  },
)

t.test(
  '[fault 6] a header that another segment left in a block is not taken for that of the segment in its place',
  async (t) => {
    const machine = new TestMachine()
    const options = { limits: { logSegmentBytes: 512 } }
    const store = await machine.open(options)
    for (const i of countUp(9)) await store.append('a', numbered(1, i))
    machine.kill()
    store.close().catch(() => {})
    const logs = machine.find('.log')
    t.ok(logs.length >= 3)
    const [before, last] = logs.slice(-2) as [string, string]
    // The newest segment was not synced when power failed: its only block has what stood there before.
    machine.write(last, machine.contents(before).subarray(0, 200))
    const opened = await machine.open(options)
    t.equal(opened.recovery.damage, undefined)
    const events = await datas(opened.readAll())
    t.same(events, countUp(events.length))
    await opened.append('a', numbered(1, events.length))
    await opened.checkpoint()
    await opened.close()
    t.same((await verify(machine.environment, '/store')).findings, [])
  },
)
