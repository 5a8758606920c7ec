import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { StoredEvent } from '../../engine/index.js'
import { openStore } from '../../engine/store/open-store.js'
import { STORE, stillEnvironment } from '../support/hostile-store.js'
import { type FilesImage, SmallFiles } from '../support/small-files.js'
import type { GoldenStore } from './stores.js'

/** Stores of format version 1. */
export const GOLDEN = 'test/golden/v1'

/** Opens a copy and reads everything. */
export async function eventsOf(image: FilesImage, { options }: GoldenStore): Promise<StoredEvent[]> {
  let opening = true
  const environment = stillEnvironment(new SmallFiles(image), 2, () => opening)
  const store = await openStore(environment, STORE, { ...options })
  opening = false
  const events: StoredEvent[] = []
  for await (const event of store.readAll()) events.push(event)
  await store.close()
  return events
}

/** A store that is checked in. */
export function readGolden(name: string): { readonly image: FilesImage; readonly text: string } {
  const folder = join(GOLDEN, name)
  const files = new Map<string, Buffer>()
  const folders = ['/', STORE]
  for (const entry of readdirSync(join(folder, 'store'), { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(folder, 'store', entry)
    const inside = `${STORE}/${entry.replaceAll('\\', '/')}`
    if (statSync(path).isDirectory()) folders.push(inside)
    else files.set(inside, readFileSync(path))
  }
  return { image: { files, folders }, text: readFileSync(join(folder, 'events.txt'), 'utf8') }
}

export function writeGolden(name: string, image: FilesImage, text: string): void {
  for (const [path, bytes] of image.files) {
    const file = join(GOLDEN, name, `store${path.slice(STORE.length)}`)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, bytes)
  }
  writeFileSync(join(GOLDEN, name, 'events.txt'), text)
}
