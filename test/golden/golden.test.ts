/**
 * Stores that are checked in as the first version of the format left them. Each later build opens them and reads what it read then,
 * and so does the second reader; what is made today is the same, byte by byte, unless a reason stands here.
 */
import { readdirSync } from 'node:fs'
import t from 'tap'
import { assertAgrees, asStored, filesOfStore } from '../interop/agreement.js'
import { STORE } from '../support/hostile-store.js'
import { SmallFiles } from '../support/small-files.js'
import { eventsOf, GOLDEN, readGolden } from './files.js'
import { asText, goldenStores, makeGolden } from './stores.js'

/** Why a file that is made today may differ from the one that is checked in: its path in the stores, and the reason. */
const MAY_DIFFER: Readonly<Record<string, string>> = {
  watermark: 'earlier versions wrote none; it is derived, and recovery does not look at it',
}

t.same(readdirSync(GOLDEN).sort(), goldenStores.map(({ name }) => name).sort(), 'each store is there, and no other')

t.test('[F2] every kind of file that a store has is among them', (t) => {
  const kinds = new Set<string>()
  for (const { name } of goldenStores) {
    for (const path of readGolden(name).image.files.keys()) {
      const [folder = '', ...inside] = path.slice(STORE.length + 1).split('/')
      kinds.add(inside.length === 0 ? folder : `${folder}/${/\.\w+$/.exec(path)?.[0] ?? ''}`)
    }
  }
  t.same(
    [...kinds].sort(),
    ['annals', 'checkpoint', 'epoch/', 'log/.idx', 'log/.key', 'log/.key1', 'log/.log', 'log/.tab', 'streams/.idx', 'streams/.seg', 'watermark'], // prettier-ignore
  )
  t.end()
})

for (const golden of goldenStores) {
  t.test(`[F2] the golden store "${golden.name}" reads as it did`, async (t) => {
    const { image, text } = readGolden(golden.name)
    t.equal(asText(await eventsOf(image, golden)), text)
    const { limits } = golden.options ?? {}
    const files = filesOfStore(new SmallFiles(image), STORE)
    const { records } = await assertAgrees(files, { indexIntervalBytes: limits?.indexIntervalBytes })
    t.equal(asText(records.map(asStored)), text, 'the second reader')
    t.ok(records.length > 0)
  })

  t.test(`the golden store "${golden.name}" is what is made today`, async (t) => {
    const { image } = readGolden(golden.name)
    const { files } = await makeGolden(golden)
    const differ = [...new Set([...files.keys(), ...image.files.keys()])].filter((path) => {
      const [made, kept] = [files.get(path), image.files.get(path)]
      return made === undefined || kept === undefined || !made.equals(kept)
    })
    t.same(
      differ.map((path) => path.slice(STORE.length + 1)).filter((path) => MAY_DIFFER[path] === undefined),
      [],
      'a change of what is written needs a reason in MAY_DIFFER; the stores stay as they are',
    )
  })
}
