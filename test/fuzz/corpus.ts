import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32c } from '../interop/second-reader/bytes.js'

const CORPUS = 'test/corpus'

/** Every input that has ever found a fault: `test/corpus/<target>/<name>.hex`. */
export function corpus(): { readonly target: string; readonly name: string; readonly bytes: Buffer }[] {
  return readdirSync(CORPUS).flatMap((target) =>
    readdirSync(join(CORPUS, target)).map((name) => {
      const hex = readFileSync(join(CORPUS, target, name), 'utf8').replaceAll(/\s/g, '')
      return { target, name, bytes: Buffer.from(hex, 'hex') }
    }),
  )
}

/** Adds an input to the corpus. Returns its path. */
export function keep(target: string, hex: string): string {
  const folder = join(CORPUS, target)
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${crc32c(Buffer.from(hex, 'hex')).toString(16).padStart(8, '0')}.hex`)
  writeFileSync(path, `${hex.replaceAll(/(.{128})/g, '$1\n').trimEnd()}\n`)
  return path
}
