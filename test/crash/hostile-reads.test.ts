/**
 * A closed store whose log, home file or derived files somebody has changed, swapped with those of another store, cut or removed, read in every way there is, by its writer and
 * beside it: by places, times, types, tags, commit ids, backward. No read gives anything else than what was stored, leaves something out in silence, or ends with
 * an error of another kind.
 */
import t, { type Test } from 'tap'
import { FULL, ONE_IN } from '../support/crash-scale.js'
import { changed, STORE } from '../support/hostile-store.js'
import { keyedStore, readsOf, readWidely } from '../support/hostile-reads.js'

t.setTimeout(3_600_000)

const truth = await keyedStore()
const others = [await keyedStore(2), await keyedStore(3, 25)]
const reads = readsOf(truth)
/** The segments of streams are in the suites `bit-flip` and `crafted`. */
const files = [...truth.image.files].filter(([path]) => !path.startsWith(`${STORE}/streams/`))

class Cases {
  count = 0
  told = 0
  readonly wrong: string[] = []

  async run(what: string, changes: Readonly<Record<string, Buffer | undefined>>): Promise<void> {
    for (const as of ['writer', 'reader'] as const) {
      if (++this.count % 32 === 0) await new Promise((resolve) => setImmediate(resolve))
      try {
        const { refused, told } = await readWidely(changed(truth.image, changes), reads, as)
        if (refused !== undefined || told > 0) this.told++
      } catch (error) {
        this.wrong.push(`${what}, ${as}: ${(error as Error).stack}`)
      }
    }
  }

  check(t: Test, least: number): void {
    t.comment(`${this.count} cases, ${this.told} of them told`)
    t.same(this.wrong.slice(0, 4), [], `${this.wrong.length} of ${this.count} cases went wrong`)
    t.ok(this.count >= Math.floor(least / ONE_IN), `${this.count} cases`)
    t.ok(this.told > 0, 'some of them cannot be read whole')
  }
}

t.test('a store that nobody has changed is read whole in every way', async (t) => {
  for (const as of ['writer', 'reader'] as const) {
    t.same(await readWidely(truth.image, reads, as), { refused: undefined, told: 0 })
  }
  for (const { what, wanted } of reads) t.ok(wanted.length > 0 || what.includes('none'), what)
})

t.test(
  '[fault 39] [fault 49] [U3] a bit flipped in the log, its indexes, key files, checkpoint, watermark',
  async (t) => {
    const cases = new Cases()
    const stride = FULL ? 1 : 43 * ONE_IN
    for (const [path, bytes] of files) {
      const flipped = Buffer.from(bytes)
      for (let at = 0; at < bytes.length; at += stride) {
        flipped[at] = bytes[at]! ^ (1 << (at % 8))
        await cases.run(`${path}, byte ${at}`, { [path]: flipped })
        flipped[at] = bytes[at]!
      }
    }
    cases.check(t, 1500)
  },
)

t.test(
  '[fault 40] [fault 46] [fault 47] [fault 48] [fault 49] files removed, cut, emptied, zeroed, doubled, and of other stores',
  async (t) => {
    const cases = new Cases()
    for (const [path, bytes] of files) {
      await cases.run(`${path} removed`, { [path]: undefined })
      for (const size of [0, 1, 50, 96, 97, bytes.length - 1]) {
        await cases.run(`${path} cut to ${size}`, { [path]: bytes.subarray(0, size) })
      }
      await cases.run(`${path} twice`, { [path]: Buffer.concat([bytes, bytes]) })
      await cases.run(`${path} zeroed`, { [path]: Buffer.alloc(bytes.length) })
      const kind = kindOf(path)
      for (const [i, { image }] of [truth, ...others].entries()) {
        for (const [from, contents] of image.files) {
          if (kindOf(from) === kind && !contents.equals(bytes)) {
            await cases.run(`${path}: that of store ${i}, ${from}`, { [path]: contents })
          }
        }
      }
    }
    cases.check(t, 500)
  },
)

function kindOf(path: string): string {
  return path.slice(STORE.length).replaceAll(/\d+/g, '0')
}
