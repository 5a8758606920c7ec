import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import t from 'tap'
import { install, node, pack } from './tarball.js'

t.setTimeout(180_000)

// Outside the repository: there, whatever the package misses would be found in the repository's node_modules.
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'annals-package-')))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const application = join(folder, 'application')
const packed = pack(folder)
const said = install(join(folder, packed.filename), application)
const installed = join(application, 'node_modules/annals')

/** Appends and reads through a store, whatever way `annals` got there. Prints the events it read. */
const ROUND_TRIP = `
async function roundTrip({ openEventStore, VersionConflictError }, folder) {
  const store = await openEventStore(folder)
  const { version } = await store.append('account-1', [{ type: 'Opened', data: { owner: 'Ada' } }], { expectedVersion: 'noStream' })
  if (version !== 1) throw new Error('version ' + version)
  const conflict = await store.append('account-1', [{ type: 'Opened' }], { expectedVersion: 'noStream' }).catch((error) => error)
  if (!(conflict instanceof VersionConflictError)) throw new Error('no conflict: ' + conflict)
  await store.close()
  const again = await openEventStore(folder)
  for await (const { stream, offset, type, data } of again.readStream('account-1')) console.log(JSON.stringify({ stream, offset, type, data }))
  await again.close()
}
`
const EVENTS = '{"stream":"account-1","offset":0,"type":"Opened","data":{"owner":"Ada"}}\n'

t.test('[Z1] the tarball holds what is published and nothing else', (t) => {
  const allowed = /^(?:dist\/.+|package\.json|README\.md|LICENSE|CHANGELOG\.md|segments-format\.md)$/
  const paths = packed.files.map(({ path }) => path)
  t.same(
    paths.filter((path) => !allowed.test(path)),
    [],
  )
  for (const path of [
    'dist/index.js',
    'dist/annals.js',
    'dist/engine/index.d.ts',
    'dist/kit.js',
    'dist/kit/index.d.ts',
    'dist/testing.js',
    'dist/kit/testing/index.d.ts',
    'dist/THIRD-PARTY-NOTICES.txt',
    'LICENSE',
    'README.md',
  ]) {
    t.ok(paths.includes(path), path)
  }
  t.same(
    paths.filter(
      (path) =>
        path.startsWith('dist/') &&
        !/^dist\/(?:\w+\.js|tools\/\w+\/\w+\.js|.+\.d\.ts|THIRD-PARTY-NOTICES\.txt)$/.test(path),
    ),
    [],
    'dist holds modules, declarations and licences',
  )
  t.ok(packed.unpackedSize < 1.5 * 1024 * 1024, `${packed.unpackedSize} bytes unpacked`)
  t.end()
})

t.test('[Z1] installing it without network adds exactly one package', (t) => {
  t.match(said, /added 1 package\b/)
  t.same(
    readdirSync(join(application, 'node_modules')).filter((name) => !name.startsWith('.')),
    ['annals'],
  )
  t.notOk(existsSync(join(installed, 'node_modules')))
  t.end()
})

t.test('[Z1] no dependencies and no install scripts', (t) => {
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Record<string, unknown>
  for (const key of ['dependencies', 'optionalDependencies', 'bundledDependencies', 'bundleDependencies', 'gypfile']) {
    t.notOk(key in manifest, key)
  }
  const scripts = manifest['scripts'] as Record<string, string>
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) t.notOk(name in scripts, name)
  t.notOk(existsSync(join(installed, 'binding.gyp')), 'npm would compile it')
  const peers = Object.keys(manifest['peerDependencies'] ?? {})
  const meta = (manifest['peerDependenciesMeta'] ?? {}) as Record<string, { optional?: boolean }>
  t.same(
    peers.filter((name) => meta[name]?.optional !== true),
    [],
    'peers are optional',
  )
  t.end()
})

t.test('[Z1] [fault 89] works through import', (t) => {
  writeFileSync(
    join(application, 'use.mjs'),
    `import * as annals from 'annals'\n${ROUND_TRIP}\nawait roundTrip(annals, 'by-import')`,
  )
  t.same(node(application, 'use.mjs'), { status: 0, stdout: EVENTS, stderr: '' })
  t.end()
})

t.test('[Z1] [fault 89] works through require()', (t) => {
  writeFileSync(
    join(application, 'use.cjs'),
    `const annals = require('annals')\n${ROUND_TRIP}\nroundTrip(annals, 'by-require')`,
  )
  const { status, stdout, stderr } = node(application, 'use.cjs')
  t.same({ status, stdout }, { status: 0, stdout: EVENTS })
  // Node 20 announces that require() of an ES module is experimental; from 22.13 on it says nothing.
  t.match(stderr, /^(?:\(node:\d+\) ExperimentalWarning: .*require.*\n\(Use .*\)\n)?$/)
  t.end()
})

t.test('[Z1] [L1] it brings the command annals', (t) => {
  const { version } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as { version: string }
  const command = join(application, 'node_modules/.bin/annals')
  t.ok(existsSync(command))
  t.same(node(application, command, '--version'), { status: 0, stdout: `${version}\n`, stderr: '' })
  const log = 'by-import/log/0000000000000000-0000000001.log'
  t.match(node(application, command, 'inspect', '--brief', log), {
    status: 0,
    stdout: /^sound: .*1 event/m,
    stderr: '',
  })
  t.ok(readFileSync(join(installed, 'dist/annals.js'), 'utf8').startsWith('#!/usr/bin/env node\n'))
  const modules = packed.files.filter(({ path }) => /^dist\/\w+\.js$/.test(path))
  t.same(
    modules.filter(({ size }) => size > 200 * 1024).map(({ path }) => path),
    ['dist/index.js'],
    'without an engine of its own',
  )
  t.end()
})

/** An aggregate through the packed kit, whose errors are those of the packed store. Prints what it came to. */
const KIT_ROUND_TRIP = `
async function kitRoundTrip({ openMemoryStore, AnnalsError, VersionConflictError }, kit, { given }) {
  const events = kit.defineEvents({ Counted: kit.event() })
  const decider = { initialState: () => 0, decide: (n) => Array(n).fill({ type: 'Counted' }), evolve: (state) => state + 1 }
  given(decider, [{ type: 'Counted' }]).when(2).thenState(3)
  const store = await openMemoryStore()
  const counters = kit.deciderRepository(store, { category: 'counter', events, decider })
  await counters.execute('a', 3)
  const missing = await counters.load('b').catch((error) => error)
  if (!(missing instanceof AnnalsError)) throw new Error('another AnnalsError: ' + missing)
  console.log((await counters.load('a')).state, missing.code)
  await store.close()
}
`

t.test('[Z1] the kit and its test helpers work through import and require()', (t) => {
  writeFileSync(
    join(application, 'kit.mjs'),
    `import * as annals from 'annals'\nimport * as kit from 'annals/kit'\nimport * as testing from 'annals/testing'\n${KIT_ROUND_TRIP}\nawait kitRoundTrip(annals, kit, testing)`,
  )
  const printed = '3 ERR_AGGREGATE_NOT_FOUND\n'
  t.same(node(application, 'kit.mjs'), { status: 0, stdout: printed, stderr: '' })
  writeFileSync(
    join(application, 'kit.cjs'),
    `${KIT_ROUND_TRIP}\nkitRoundTrip(require('annals'), require('annals/kit'), require('annals/testing'))`,
  )
  const { status, stdout } = node(application, 'kit.cjs')
  t.same({ status, stdout }, { status: 0, stdout: printed })
  t.end()
})

t.test('[Z1] [fault 89] works bundled into an application', (t) => {
  for (const format of ['esm', 'cjs'] as const) {
    const name = `bundled.${format === 'esm' ? 'mjs' : 'cjs'}`
    const { errors } = buildSync({
      absWorkingDir: application,
      stdin: {
        contents: `import { openEventStore, VersionConflictError } from 'annals'\n${ROUND_TRIP}\nroundTrip({ openEventStore, VersionConflictError }, 'bundled-${format}')`,
        resolveDir: application,
      },
      bundle: true,
      platform: 'node',
      format,
      outfile: name,
      // A bundle in CommonJS has no import.meta: annals then goes without native addons.
      logLevel: 'silent',
    })
    t.same(errors, [])
    t.same(node(application, name), { status: 0, stdout: EVENTS, stderr: '' }, format)
  }
  t.end()
})

t.test('[Z1] [fault 89] works in a worker thread, from the package and from a bundle of one file', (t) => {
  const program = `${ROUND_TRIP}
import { isMainThread, Worker } from 'node:worker_threads'
import { fileURLToPath } from 'node:url'
if (isMainThread) new Worker(fileURLToPath(import.meta.url), { argv: process.argv.slice(2) })
else await roundTrip(annals, process.argv[2])
`
  writeFileSync(join(application, 'worker.mjs'), `import * as annals from 'annals'\n${program}`)
  t.same(node(application, 'worker.mjs', 'in-worker'), { status: 0, stdout: EVENTS, stderr: '' })
  buildSync({
    absWorkingDir: application,
    entryPoints: ['worker.mjs'],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: 'worker-bundle.mjs',
    logLevel: 'silent',
  })
  const alone = join(folder, 'bundle-alone.mjs') // where no node_modules could help
  renameSync(join(application, 'worker-bundle.mjs'), alone)
  t.same(node(folder, alone, 'in-bundled-worker'), { status: 0, stdout: EVENTS, stderr: '' })
  t.end()
})

t.test('[Z1] [L2] the crash harness works from the package: command, import, require()', (t) => {
  const run = `tortureStore(process.argv[2], { rounds: 4, checkEvery: 2, seed: 5, pauses: 0 }).then(({ findings, kills, acknowledged }) =>
  console.log(JSON.stringify({ findings, kills, work: acknowledged > 0 })))`
  writeFileSync(join(application, 'torture.mjs'), `import { tortureStore } from 'annals/torture'\n${run}`)
  writeFileSync(join(application, 'torture.cjs'), `const { tortureStore } = require('annals/torture')\n${run}`)
  for (const name of ['torture.mjs', 'torture.cjs']) {
    const { status, stdout } = node(application, name, `tortured-${name}`)
    t.same({ status, stdout }, { status: 0, stdout: '{"findings":[],"kills":4,"work":true}\n' }, name)
    t.notOk(existsSync(join(application, `tortured-${name}`)))
  }
  const command = join(application, 'node_modules/.bin/annals-torture')
  t.ok(existsSync(command), 'npm links it')
  const { status, stdout, stderr } = node(application, command, 'tortured', '--rounds', '2', '--json')
  t.same({ status, stderr }, { status: 0, stderr: '' })
  t.match(JSON.parse(stdout), { ok: true, kills: 2 })
  t.end()
})

t.test('[L2] bundled into one file it says that it cannot work there', (t) => {
  buildSync({
    absWorkingDir: application,
    stdin: {
      contents: `import { tortureStore } from 'annals/torture'
tortureStore('tortured-bundle', { rounds: 1 }).catch((error) => console.log(error.message))`,
      resolveDir: application,
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: 'torture-bundle.mjs',
    logLevel: 'silent',
  })
  const { stdout } = node(application, 'torture-bundle.mjs')
  t.match(stdout, /do not bundle annals\/torture/)
  t.notOk(existsSync(join(application, 'tortured-bundle')))
  t.end()
})

const addon = 'node_modules/sse4_crc32/build/Release/crc32c.node'
const withoutAddon = existsSync(addon) ? false : 'the addon could not be compiled here'

t.test('[Z1] takes the native CRC-32C where the application has it', { skip: withoutAddon }, (t) => {
  const other = join(folder, 'with-addon')
  install(join(folder, packed.filename), other)
  writeFileSync(
    join(other, 'use.mjs'),
    `import { createRequire } from 'node:module'
import * as annals from 'annals'
${ROUND_TRIP}
await roundTrip(annals, process.argv[2])
console.log(Object.keys(createRequire(import.meta.url).cache).some((name) => name.endsWith('crc32c.node')))`,
  )
  t.same(node(other, 'use.mjs', 'without'), { status: 0, stdout: `${EVENTS}false\n`, stderr: '' }, 'without')
  symlinkSync(join(process.cwd(), 'node_modules/fast-crc32c'), join(other, 'node_modules/fast-crc32c'), 'junction')
  t.same(node(other, 'use.mjs', 'with').stdout.split('\n').at(-2), 'true', 'with')
  t.end()
})

t.test('importing it changes nothing in the process, prints nothing and leaves nothing running', (t) => {
  writeFileSync(
    join(application, 'quiet.mjs'),
    `import fs from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
const state = () => ({
  fs: Object.entries(fs),
  promises: Object.entries(fs.promises),
  globals: Object.getOwnPropertyNames(globalThis),
  process: [process.emit, process.exit, process.reallyExit, process.kill],
  listeners: process.eventNames().map((name) => [name, process.listenerCount(name)]),
  environment: { ...process.env },
})
// Standard streams, and the loader reading this very file, are not annals'.
const running = () => process.getActiveResourcesInfo().filter((name) => !/^(?:PipeWrap|TTYWrap|FSReq)/.test(name))
const before = state()
const annals = await import('annals')
const after = state()
for (const key of Object.keys(before)) {
  if (!isDeepStrictEqual(before[key], after[key])) throw new Error('importing annals changes ' + key)
}
if (running().length > 0) throw new Error('left running: ' + running())
if (typeof annals.openEventStore !== 'function') throw new Error('openEventStore is not exported')
if ('default' in annals) throw new Error('there is a default export')
`,
  )
  t.same(node(application, 'quiet.mjs'), { status: 0, stdout: '', stderr: '' })
  t.end()
})

t.test('its types resolve under nodenext, from ES modules and from CommonJS', (t) => {
  symlinkSync(join(process.cwd(), 'node_modules/@types'), join(application, 'node_modules/@types'), 'junction')
  symlinkSync(
    join(process.cwd(), 'node_modules/undici-types'),
    join(application, 'node_modules/undici-types'),
    'junction',
  )
  writeFileSync(
    join(application, 'typed.mts'),
    `import { openEventStore, VersionConflictError } from 'annals'
import { tortureStore, type TortureReport } from 'annals/torture'
export const torture = (): Promise<TortureReport> => tortureStore('typed-torture', { rounds: 1 })
import { Aggregate, defineEvents, deciderRepository, event, type EventOf } from 'annals/kit'
import { given } from 'annals/testing'
const store = await openEventStore('typed')
const events = defineEvents({ Opened: event<{ owner: string }>(), Closed: event() })
const decider = {
  initialState: () => '',
  decide: (owner: string, _state: string): EventOf<typeof events>[] => [{ type: 'Opened', data: { owner } }],
  evolve: (state: string, event: EventOf<typeof events>) => (event.type === 'Opened' ? event.data.owner : state),
}
given(decider).when('Ada').thenState('Ada')
const owner: string = (await deciderRepository(store, { category: 'a', events, decider }).execute(1, 'Ada')).state
// @ts-expect-error data of another type
given(decider, [{ type: 'Opened', data: { owner: owner.length } }])
export class Account extends Aggregate<EventOf<typeof events>> {
  readonly id = 1
  protected when(): void {}
}
const { version } = await store.append('account-1', [{ type: 'Opened', data: { owner: 'Ada' } }], { expectedVersion: 'noStream' })
const next: number = version
for await (const event of store.readStream('account-1', { fromOffset: 0 })) {
  const offset: number = event.offset
  console.log(offset, event.type, next)
}
export const isConflict = (error: unknown): boolean => error instanceof VersionConflictError && error.actual > 0
// @ts-expect-error an expected version is a number or one of three words
await store.append('account-1', [], { expectedVersion: 'sometimes' })
await store.close()
`,
  )
  writeFileSync(
    join(application, 'typed.cts'),
    `import annals = require('annals')
import kit = require('annals/kit')
export const open: typeof annals.openEventStore = annals.openEventStore
export const define: typeof kit.defineEvents = kit.defineEvents
`,
  )
  writeFileSync(
    join(application, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        module: 'nodenext',
        target: 'es2022',
        lib: ['es2023', 'esnext.disposable'],
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
        types: ['node'],
      },
      files: ['typed.mts', 'typed.cts'],
    }),
  )
  const tsc = join(process.cwd(), 'node_modules/typescript/bin/tsc')
  t.same(node(application, tsc, '-p', '.'), { status: 0, stdout: '', stderr: '' })
  t.end()
})

t.test('every bundled package is named with its licence', (t) => {
  const bundle = readFileSync(join(installed, 'dist/index.js'), 'utf8')
  const notices = readFileSync(join(installed, 'dist/THIRD-PARTY-NOTICES.txt'), 'utf8')
  const names = new Set(
    [...bundle.matchAll(/^\/\/ (?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//gm)].map(([, name]) => name ?? ''),
  )
  t.ok(names.size > 0, 'the bundle says what it holds')
  for (const name of names) {
    t.match(notices, new RegExp(`^${name.replaceAll(/[/@-]/g, '.')} \\d+\\.\\d+\\.\\d+ \\(`, 'm'), name)
  }
  for (const name of ['graceful-fs', 'signal-exit']) t.notOk(names.has(name), name)
  t.end()
})
