import t from 'tap'
import { aroundTheDoor, cycles, layerOf, missing, sharedPackages, tooLong, wrongWay } from './layers.js'
import { readSource, readSources } from './source-tree.js'

const sources = readSources(['engine', 'kit', 'adapters', 'tools'])

t.test('the tree is read', (t) => {
  t.ok(sources.some(({ path }) => path === 'engine/errors.ts'))
  t.ok(
    sources.some(({ files }) => files.length > 0),
    'imports are found',
  )
  t.end()
})

t.test('imports point one way', (t) => {
  t.same(wrongWay(sources), [])
  t.end()
})

t.test('imported files exist', (t) => {
  t.same(missing(sources), [])
  t.end()
})

t.test('no circles', (t) => {
  t.same(cycles(sources), [])
  t.end()
})

t.test('each npm package has one importer', (t) => {
  t.same(sharedPackages(sources), [])
  t.end()
})

t.test('files, clock, randomness, timers and process only behind engine/io and kit/io', (t) => {
  t.same(aroundTheDoor(sources), [])
  t.end()
})

t.test('no source file above 400 lines', (t) => {
  t.same(tooLong(sources), [])
  t.end()
})

t.test('the rules find what they forbid', (t) => {
  const broken = (path: string, text: string) => [readSource(path, text)]
  t.equal(layerOf('engine/helpers/x.ts'), undefined)
  t.match(wrongWay(broken('engine/helpers/x.ts', '')), [/no layer/])
  t.match(wrongWay(broken('engine/format/a.ts', `import type { B } from '../io/b.js'`)), [
    /\(format\) imports .*\(io\)/,
  ])
  t.match(wrongWay(broken('engine/streams/a.ts', `export * from '../commit-log/b.js'`)), [/commit-log/])
  t.match(wrongWay(broken('engine/commit-log/a.ts', `let x: import('../streams/b.js').B`)), [/streams/])
  t.match(wrongWay(broken('kit/a.ts', `import { b } from '../engine/store/b.js'`)), [/\(kit\)/])
  t.match(wrongWay(broken('engine/lock/a.ts', `await import('../segment/b.js')`)), [/segment/])
  t.same(wrongWay(broken('engine/recovery/a.ts', `import { b } from '../streams/b.js'`)), [])

  for (const line of [
    `import { readFileSync } from 'node:fs'`,
    `import { createHash, randomBytes } from 'node:crypto'`,
    `import { hostname } from 'node:os'`,
    'const now = Date.now()',
    'const now = new Date()',
    'const dice = Math.random()',
    'setTimeout(() => {}, 1)',
    'const { pid } = { pid: process.pid }',
  ]) {
    t.equal(aroundTheDoor(broken('engine/store/a.ts', line)).length, 1, line)
  }
  t.equal(aroundTheDoor(broken('engine/io/other.ts', `import { readFileSync } from 'node:fs'`)).length, 1)
  t.same(aroundTheDoor(broken('engine/io/node-environment.ts', 'export const now = () => Date.now()')), [])
  t.same(
    aroundTheDoor(broken('engine/store/a.ts', '// Date.now()\nconst at = new Date(0), id = environment.process.pid')),
    [],
  )

  const circle = [
    readSource('engine/io/a.ts', `import './b.js'`),
    readSource('engine/io/b.ts', `import './c.js'`),
    readSource('engine/io/c.ts', `import './a.js'`),
  ]
  t.same(cycles(circle), ['engine/io/a.ts -> engine/io/b.ts -> engine/io/c.ts -> engine/io/a.ts'])
  t.same(missing(circle.slice(0, 1)), ['engine/io/a.ts imports engine/io/b.ts'])
  t.match(sharedPackages(['a', 'b'].map((name) => readSource(`engine/io/${name}.ts`, `import 'msgpackr/pack'`))), [
    /^msgpackr/,
  ])
  t.match(tooLong(broken('engine/io/a.ts', 'x\n'.repeat(401))), [/401/])
  t.same(tooLong(broken('engine/io/a.ts', 'x\n'.repeat(400))), [])
  t.end()
})
