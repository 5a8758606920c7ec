/** `npm run golden`: makes the stores below `test/golden` again. */
import { rmSync } from 'node:fs'
import { eventsOf, GOLDEN, writeGolden } from './files.js'
import { asText, goldenStores, makeGolden } from './stores.js'

rmSync(GOLDEN, { recursive: true, force: true })
for (const golden of goldenStores) {
  const image = await makeGolden(golden)
  writeGolden(golden.name, image, asText(await eventsOf(image, golden)))
}
