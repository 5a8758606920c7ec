import type { SourceFile } from './source-tree.js'

/**
 * Who may import whom, lowest first. A folder sees itself and what its entry names; `engine/index.ts` sees everything
 * in the engine. The picture is the one of `docs/architecture.md`.
 */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  format: ['base'],
  io: ['base'],
  segment: ['base', 'format', 'io'],
  lock: ['base', 'format', 'io'],
  'commit-log': ['base', 'format', 'io', 'segment', 'lock'],
  streams: ['base', 'format', 'io', 'segment', 'lock'],
  keys: ['base', 'format', 'io', 'segment', 'commit-log'],
  recovery: ['base', 'format', 'io', 'segment', 'lock', 'commit-log', 'streams', 'keys'],
  store: ['base', 'format', 'io', 'segment', 'lock', 'commit-log', 'streams', 'keys', 'recovery'],
  backup: ['base', 'format', 'io', 'segment', 'lock', 'commit-log', 'recovery', 'store'],
  inspect: ['base', 'format', 'io', 'segment', 'lock', 'commit-log', 'streams', 'recovery'],
}
const ENGINE = [...Object.keys(LAYERS), 'index']

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  ...LAYERS,
  index: ENGINE,
  kit: ['base'],
  adapters: ['base'],
  tools: [...ENGINE, 'kit', 'adapters'],
}

/**
 * Modules of Node that only compute (of crypto, the hashes). All others reach the system, and stand behind engine/io or kit/io.
 */
const PURE_BUILTINS = [
  'assert/strict',
  'crypto',
  'buffer',
  'module',
  'path',
  'util',
  'string_decoder',
  'events',
  'stream',
]

/** Only these files open files: that of the engine, and that of the kit, which knows nothing of the engine's. */
const FILE_SYSTEMS = ['engine/io/node-file-system.ts', 'kit/io/projection-files.ts', 'kit/io/text-files.ts']

/** Behind these doors are files, clock, randomness, timers and process. */
const DOORS = ['engine/io/', 'kit/io/']

const MAX_LINES = 400

/** Returns the layer of a file, or undefined for a folder the rules do not know. */
export function layerOf(path: string): string | undefined {
  const [top, folder, rest] = path.split('/')
  if (top !== 'engine') return top === 'kit' || top === 'adapters' || top === 'tools' ? top : undefined
  if (folder === 'types' || path === 'engine/errors.ts' || path === 'engine/limits.ts') return 'base'
  if (path === 'engine/index.ts') return 'index'
  return rest !== undefined && folder !== undefined && folder in LAYERS ? folder : undefined
}

/** Returns one line for each import that points the wrong way. */
export function wrongWay(sources: readonly SourceFile[]): string[] {
  return sources.flatMap((source) => {
    const layer = layerOf(source.path)
    if (layer === undefined) return [`${source.path}: no layer has this place`]
    return source.files.flatMap((file) => {
      const target = layerOf(file)
      if (target === layer || (target !== undefined && ALLOWED[layer]?.includes(target) === true)) return []
      return [`${source.path} (${layer}) imports ${file} (${target ?? 'no layer'})`]
    })
  })
}

/** Returns one line for each import of a file that is not there. */
export function missing(sources: readonly SourceFile[]): string[] {
  const known = new Set(sources.map(({ path }) => path))
  return sources.flatMap(({ path, files }) =>
    files.filter((file) => !known.has(file)).map((file) => `${path} imports ${file}`),
  )
}

/** Returns one line for each npm package that more than one file imports. */
export function sharedPackages(sources: readonly SourceFile[]): string[] {
  const importers = new Map<string, string[]>()
  for (const { path, packages } of sources) {
    for (const name of packages) importers.set(name, [...(importers.get(name) ?? []), path])
  }
  return [...importers].filter(([, paths]) => paths.length > 1).map(([name, paths]) => `${name}: ${paths.join(', ')}`)
}

/** Returns one line for each way around engine/io and kit/io: system modules, clock, randomness, timers, process. */
export function aroundTheDoor(sources: readonly SourceFile[]): string[] {
  return sources.flatMap(({ path, builtins, ambient }) => {
    if (path.startsWith('tools/')) return []
    const files = builtins
      .filter((name) => /^fs(?:\/|$)/.test(name) && !FILE_SYSTEMS.includes(path))
      .map((name) => `${path} imports node:${name}`)
    if (DOORS.some((door) => path.startsWith(door))) return files
    const system = builtins
      .filter((name) => !/^fs(?:\/|$)/.test(name) && !PURE_BUILTINS.includes(name))
      .map((name) => `${path} imports node:${name}`)
    return [...files, ...system, ...ambient.map((use) => `${path} ${use}`)]
  })
}

/** Returns each circle of imports once, as `a -> b -> a`. */
export function cycles(sources: readonly SourceFile[]): string[] {
  const imports = new Map(sources.map(({ path, files }) => [path, files]))
  const finished = new Set<string>()
  const found: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start !== -1) {
      found.push([...trail.slice(start), path].join(' -> '))
      return
    }
    if (finished.has(path)) return
    for (const file of imports.get(path) ?? []) visit(file, [...trail, path])
    finished.add(path)
  }
  for (const { path } of sources) visit(path, [])
  return found
}

/** Returns one line for each file too long to hold in the head. */
export function tooLong(sources: readonly SourceFile[]): string[] {
  return sources.filter(({ lines }) => lines > MAX_LINES).map(({ path, lines }) => `${path}: ${lines} lines`)
}
