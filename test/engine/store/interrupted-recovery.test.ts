import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { countUp, datas, numbered, TestMachine } from './test-machine.js'

t.test('[fault 11] [K3] a recovery that is killed before its checkpoint is taken up by the next', async (t) => {
  for (const turns of countUp(12)) {
    const machine = new TestMachine()
    const first = await machine.open()
    await first.append('a', numbered(1))
    machine.kill()
    await machine.open()
    await sleep(10) // what follows recovery in the background: its checkpoint names a segment that stays empty
    machine.kill()
    await machine.open() // a segment of its own in the same place
    for (let turn = 0; turn < turns; turn++) await nextTurn()
    machine.kill()
    let store = await machine.open()
    t.equal(store.recovery.damage, undefined, `killed after ${turns} turns`)
    t.match(await store.append('a', numbered(1, 1)), { firstOffset: 1, position: 1 })
    machine.kill()
    store = await machine.open()
    t.same(await datas(store.readAll()), [0, 1])
    await store.close()
  }
})
