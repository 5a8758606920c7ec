import t from 'tap'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { readFileSync } from '../../../engine/io/transfer.js'
import { GatheredOutput } from '../../../engine/segment/gathered-output.js'
import { SeededRandom } from '../../support/random.js'

const KIB = 1024

/** An output to a file in memory that counts what is written to it. */
function setUp(): { output: GatheredOutput; writes: number[]; contents: () => Buffer } {
  const files = new MemoryFileSystem()
  const handle = files.open('/file', 'create')
  const writes: number[] = []
  const write = handle.writeSync.bind(handle)
  handle.writeSync = (bytes, offset, length, position) => {
    writes.push(length)
    return write(bytes, offset, length, position)
  }
  const output = new GatheredOutput()
  output.begin(handle, 0)
  return { output, writes, contents: () => readFileSync(files, '/file', 2 ** 30)! }
}

t.test('[D10] pieces from anywhere become one write, in order', async (t) => {
  const { output, writes, contents } = setUp()
  const memory = Buffer.from('0123456789abcdef')
  output.add(Buffer.from('<'))
  output.addFrom(memory, 4, 3)
  output.addFrom(memory, 0, 2)
  output.addFrom(memory, 2, 1)
  output.add(Buffer.from('>'))
  output.addFrom(memory, 10, 6)
  t.equal(output.end, 14)
  t.same(writes, [])
  output.write()
  t.equal(contents().toString(), '<456012>abcdef')
  t.same(writes, [14])
  output.write()
  t.same(writes, [14], 'nothing more to write')
})

t.test('[D10] a long run is written from where it is, behind what came before it', async (t) => {
  const { output, writes, contents } = setUp()
  const memory = Buffer.alloc(100 * KIB, 'x')
  output.add(Buffer.from('head'))
  for (let at = 0; at < memory.length; at += KIB) output.addFrom(memory, at, KIB)
  output.add(Buffer.from('tail'))
  output.write()
  t.same(writes, [4, memory.length, 4])
  t.equal(contents().toString(), `head${memory.toString()}tail`)
})

t.test('[D10] memory that is used again must have been copied', async (t) => {
  const { output, contents } = setUp()
  const memory = Buffer.from('first')
  output.addFrom(memory, 0, 5)
  output.copy()
  memory.write('other')
  output.addFrom(memory, 0, 5)
  output.write()
  t.equal(contents().toString(), 'firstother')
})

t.test('[D10] whatever the pieces are, the file is what was added, and `end` is right all along', async (t) => {
  const random = new SeededRandom(5)
  const { output, contents } = setUp()
  const expected: Buffer[] = []
  let length = 0
  let previousEnd = 0
  const memories = [1, 2].map((fill) => Buffer.alloc(700 * KIB, fill))
  for (const memory of memories) for (let i = 0; i < memory.length; i += 97) memory[i] = random.below(256)
  for (let n = 0; n < 2000; n++) {
    const memory = memories[random.below(2)]!
    const size = random.below(10) === 0 ? random.below(300 * KIB) : random.below(600)
    const start = random.below(2) === 0 && previousEnd + size <= memory.length ? previousEnd : random.below(300 * KIB)
    output.addFrom(memory, start, size)
    previousEnd = start + size
    if (random.below(7) === 0) output.copy()
    expected.push(memory.subarray(start, start + size))
    length += size
    t.equal(output.end, length)
  }
  output.write()
  t.ok(contents().equals(Buffer.concat(expected)))
})
