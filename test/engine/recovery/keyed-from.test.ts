import t from 'tap'
import type { Checkpoint } from '../../../engine/format/checkpoint.js'
import { keyedFromOf } from '../../../engine/recovery/recover.js'

const at = (keyedFrom: number | null | undefined, position: number): Checkpoint => ({
  epoch: 1,
  clean: false,
  redo: { base: 0, epoch: 1, byte: 96, sequence: 0, position },
  settledPosition: 0,
  lastTimestamp: 0,
  ...(keyedFrom === undefined ? {} : { keyedFrom }),
  shapes: [],
})

t.test('[C2] a checkpoint tells where commit ids begin only before its own place', async (t) => {
  t.equal(keyedFromOf(undefined), undefined)
  t.equal(keyedFromOf(at(undefined, 5)), undefined)
  t.equal(keyedFromOf(at(null, 5)), undefined)
  t.equal(keyedFromOf(at(4, 5)), 4)
  t.equal(keyedFromOf(at(5, 5)), undefined, 'it may have been lost since')
  t.equal(keyedFromOf(at(7, 5)), undefined)
})
