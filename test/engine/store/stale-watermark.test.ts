import t from 'tap'
import { openReadOnly } from '../../../engine/store/open-store.js'
import { collect } from '../../contract/contract-support.js'
import { numbered, TestMachine } from './test-machine.js'

t.test(
  'a watermark that a power cut has left older than the checkpoint keeps no reader from what is committed',
  async (t) => {
    const machine = new TestMachine()
    const store = await machine.open()
    const old = machine.contents('/store/watermark')
    for (let i = 0; i < 5; i++) await store.append('s', numbered(1, i))
    await store.close()
    machine.write('/store/watermark', old)
    const reader = await openReadOnly(machine.environment, '/store', { readOnly: true })
    t.equal((await collect(reader.readAll())).length, 5)
    t.equal((await collect(reader.readStream('s'))).length, 5)
    const writer = await machine.open()
    await writer.append('s', numbered(1, 5))
    await new Promise(setImmediate)
    await reader.refresh()
    t.equal((await collect(reader.readAll())).length, 6, 'and it goes on with the next writer')
    await reader.close()
    await writer.close()
  },
)
