import t from 'tap'
import { BACKUP_FILE, type BackupManifest } from '../../../engine/format/backup-manifest.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { readManifest, refuseBackup, writeManifest } from '../../../engine/recovery/backup-file.js'
import { put, STORE } from './verify-support.js'

const MANIFEST: BackupManifest = { storeId: 'ab'.repeat(16), complete: true, position: 12, time: 1_700_000_000_000 }

async function folderWith(manifest: BackupManifest | undefined) {
  const { files } = memoryEnvironment()
  files.makeDirectories(STORE)
  if (manifest !== undefined) await writeManifest(files, STORE, manifest)
  return files
}

t.test('what a folder says of being a backup is read as it was written', async (t) => {
  t.equal(readManifest(await folderWith(undefined), STORE), undefined)
  t.same(readManifest(await folderWith(MANIFEST), STORE), MANIFEST)
})

t.test('a backup may be read and not written to; one that was not finished is for nobody', async (t) => {
  const backup = await folderWith(MANIFEST)
  t.doesNotThrow(() => refuseBackup(backup, STORE, 'read'))
  t.throws(() => refuseBackup(backup, STORE, 'write'), { code: 'ERR_READ_ONLY', message: /it is a backup; restore it/ })
  const unfinished = await folderWith({ ...MANIFEST, complete: false })
  for (const use of ['read', 'write'] as const) {
    t.throws(() => refuseBackup(unfinished, STORE, use), { code: 'ERR_NOT_A_BACKUP', message: /was not finished here/ })
    t.doesNotThrow(() => refuseBackup(memoryEnvironment().files, STORE, use), 'no backup at all')
  }
})

t.test(
  '[fault 52] a manifest that is none is refused, and one of a newer version with a code of its own',
  async (t) => {
    const files = await folderWith(undefined)
    const say = (text: string): void => put(files, `${STORE}/${BACKUP_FILE}`, Buffer.from(text))
    say('{')
    t.throws(() => readManifest(files, STORE), {
      code: 'ERR_NOT_A_BACKUP',
      message: /damaged, or not a file of annals/,
    })
    say(JSON.stringify({ format: 'annals backup', version: 2, ...MANIFEST }))
    t.throws(() => readManifest(files, STORE), { code: 'ERR_FORMAT', message: /a newer annals wrote it/ })
  },
)
