// Where the sources are. No dependencies: this also runs before anything is installed.
import { existsSync, readdirSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

const folders = ['engine', 'kit', 'adapters', 'tools', 'test', 'bench', 'examples']

/** Returns every TypeScript file below the source folders, relative to the root, with forward slashes. */
export function sourceFiles() {
  return folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts') && !name.includes('node_modules'))
        .map((name) => `${folder}/${name.replaceAll(sep, '/')}`),
    )
    .sort()
}
