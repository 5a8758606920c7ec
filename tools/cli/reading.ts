import { openEventStore, type ReadOnlyEventStore } from '../../engine/index.js'

/**
 * Opens a store for reading only, beside whoever writes to it, and closes it when `work` is done. Damage that ended the log early is
 * told when all before it was read.
 */
export async function reading<Result>(
  directory: string,
  work: (store: ReadOnlyEventStore) => Promise<Result>,
): Promise<Result> {
  // Nothing is locked or written, and every record is checked: a store on a network may be looked at.
  const store = await openEventStore(directory, { readOnly: true, networkFileSystem: 'allow' })
  try {
    await store.refresh()
    const result = await work(store)
    if (store.damage !== undefined) throw store.damage
    return result
  } finally {
    await store.close()
  }
}
