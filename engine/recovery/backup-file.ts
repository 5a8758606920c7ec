import { join } from 'node:path'
import { AnnalsError, quote } from '../errors.js'
import {
  BACKUP_FILE,
  type BackupManifest,
  decodeManifest,
  encodeManifest,
  MAX_MANIFEST_BYTES,
} from '../format/backup-manifest.js'
import type { FileSystem } from '../io/file-system.js'
import { completion, readFileSync, replaceFile } from '../io/transfer.js'

/** Reads what the folder says of being a backup; undefined where it is none. Throws ERR_NOT_A_BACKUP for a file that is no manifest. */
export function readManifest(files: FileSystem, directory: string): BackupManifest | undefined {
  const path = join(directory, BACKUP_FILE)
  const bytes = readFileSync(files, path, MAX_MANIFEST_BYTES)
  if (bytes === undefined) return undefined
  const read = decodeManifest(bytes)
  if (read.kind === 'manifest') return read.manifest
  throw new AnnalsError(
    read.kind === 'newer' ? 'ERR_FORMAT' : 'ERR_NOT_A_BACKUP',
    `Cannot use ${quote(path)}: ${read.kind === 'newer' ? 'a newer annals wrote it' : 'it is damaged, or not a file of annals'}`,
  )
}

/** Writes it durably, in one step. */
export function writeManifest(files: FileSystem, directory: string, manifest: BackupManifest): Promise<void> {
  return completion((done) => replaceFile(files, directory, BACKUP_FILE, encodeManifest(manifest), done))
}

/** What is copied into a folder may not be used before it is whole, and a backup not be written to. Throws ERR_NOT_A_BACKUP, ERR_READ_ONLY. */
export function refuseBackup(files: FileSystem, directory: string, use: 'read' | 'write'): void {
  const manifest = readManifest(files, directory)
  if (manifest === undefined) return
  if (!manifest.complete) {
    throw new AnnalsError(
      'ERR_NOT_A_BACKUP',
      `Cannot open ${quote(directory)}: a backup, or a store that is restored, was not finished here; run that again`,
    )
  }
  if (use === 'read') return
  throw new AnnalsError(
    'ERR_READ_ONLY',
    `Cannot open ${quote(directory)} for writing: it is a backup; restore it into another folder, or open it with { readOnly: true }`,
  )
}
