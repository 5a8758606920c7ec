/**
 * The file `backup` in the folder of a backup: JSON, one object. It is there from before the first file that is copied, and says whether the
 * folder holds a whole backup. What lies in the folder behind `position` does not count.
 */
export const BACKUP_FILE = 'backup'
/** What a log segment is called in its folder while it is copied. */
export const PART_FILE = 'backup.part'
export const MAX_MANIFEST_BYTES = 64 * 1024

const VERSION = 1

export interface BackupManifest {
  /** Whose backup it is: the store id in 32 hexadecimal digits. */
  readonly storeId: string
  /** False until a first backup is whole and verified, and while a store is restored in this folder. */
  readonly complete: boolean
  /** Position behind the last event of the backup. */
  readonly position: number
  /** When it was made, milliseconds since the epoch. */
  readonly time: number
}

export function encodeManifest(manifest: BackupManifest): Buffer {
  return Buffer.from(`${JSON.stringify({ format: 'annals backup', version: VERSION, ...manifest }, undefined, 2)}\n`)
}

/** Reads a manifest. `newer`: of a version that is not known. `foreign`: anything else. */
export function decodeManifest(
  bytes: Buffer,
): { readonly kind: 'manifest'; readonly manifest: BackupManifest } | { readonly kind: 'newer' | 'foreign' } {
  let value: Record<string, unknown>
  try {
    value = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>
  } catch {
    return { kind: 'foreign' }
  }
  if (typeof value !== 'object' || (value as unknown) === null || value['format'] !== 'annals backup') {
    return { kind: 'foreign' }
  }
  if (value['version'] !== VERSION) return { kind: 'newer' }
  const { storeId, complete, position, time } = value
  const isRight =
    typeof storeId === 'string' &&
    /^[0-9a-f]{32}$/.test(storeId) &&
    typeof complete === 'boolean' &&
    Number.isSafeInteger(position) &&
    (position as number) >= 0 &&
    Number.isFinite(time)
  if (!isRight) return { kind: 'foreign' }
  return { kind: 'manifest', manifest: { storeId, complete, position: position as number, time: time as number } }
}
