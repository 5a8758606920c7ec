import t from 'tap'
import { GatheredOutput } from '../../../engine/segment/gathered-output.js'
import { SeededRandom } from '../../support/random.js'

const KIB = 1024

t.test('[D10] pieces from anywhere become one, in order', async (t) => {
  const output = new GatheredOutput()
  const memory = Buffer.from('0123456789abcdef')
  output.add(Buffer.from('<'))
  output.addFrom(memory, 4, 3)
  output.addFrom(memory, 0, 2)
  output.addFrom(memory, 2, 1)
  output.add(Buffer.from('>'))
  output.addFrom(memory, 10, 6)
  t.equal(output.length, 14)
  t.equal(output.take().toString(), '<456012>abcdef')
  output.clear()
  t.equal(output.length, 0)
  output.add(memory)
  t.equal(output.take().toString(), memory.toString(), 'nothing is left of what was added before')
})

t.test('[D10] memory that is used again must have been copied', async (t) => {
  const output = new GatheredOutput()
  const memory = Buffer.from('first')
  output.addFrom(memory, 0, 5)
  output.copy()
  memory.write('other')
  output.addFrom(memory, 0, 5)
  t.equal(output.take().toString(), 'firstother')
})

t.test('[D10] whatever the pieces are, it is what was added, and `length` is right all along', async (t) => {
  const random = new SeededRandom(5)
  const output = new GatheredOutput()
  const memories = [1, 2].map((fill) => Buffer.alloc(700 * KIB, fill))
  for (const memory of memories) for (let i = 0; i < memory.length; i += 97) memory[i] = random.below(256)
  for (let round = 0; round < 3; round++) {
    const expected: Buffer[] = []
    let length = 0
    let previousEnd = 0
    output.clear()
    for (let n = 0; n < 700; n++) {
      const memory = memories[random.below(2)]!
      const size = random.below(10) === 0 ? random.below(300 * KIB) : random.below(600)
      const start = random.below(2) === 0 && previousEnd + size <= memory.length ? previousEnd : random.below(300 * KIB)
      output.addFrom(memory, start, size)
      previousEnd = start + size
      if (random.below(7) === 0) output.copy()
      expected.push(memory.subarray(start, start + size))
      length += size
      t.equal(output.length, length)
    }
    t.ok(output.take().equals(Buffer.concat(expected)))
  }
})
