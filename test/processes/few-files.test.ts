/** A process that may have few files open, really: `ulimit -n`. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import t from 'tap'
import { openEventStore, verifyStore } from '../../engine/index.js'

t.setTimeout(120_000)

// In one file, as the package is: Node opens all modules of a program at once.
const SCRIPT = join(t.testdir(), 'many-streams.mjs')
buildSync({
  entryPoints: [fileURLToPath(new URL('fixtures/many-streams.js', import.meta.url))],
  bundle: true,
  platform: 'node',
  format: 'esm',
  outfile: SCRIPT,
  logLevel: 'silent',
})
const skip = process.platform === 'win32' ? 'there is no ulimit here' : false

interface Answer {
  readonly acknowledged: readonly number[]
  readonly codes: readonly string[]
  readonly read: number
}

function run(directory: string, files: number, openFiles: string): Answer {
  // Without the loaders of the test framework, which have files open too.
  const command = `unset NODE_OPTIONS && ulimit -n ${files} && exec "$0" "$@"`
  const { stdout, stderr, status } = spawnSync('sh', ['-c', command, process.execPath, SCRIPT, directory, openFiles], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  if (stdout === '') throw new Error(`exit code ${status}: ${stderr}`)
  return JSON.parse(stdout) as Answer
}

for (const [files, openFiles] of [
  [64, '16'],
  [64, 'default'],
  [48, 'default'],
  [48, '4'],
] as const) {
  t.test(
    `[fault 30] [N1] 1,000 streams with at most ${files} files, the store's own limit ${openFiles}`,
    { skip },
    async (t) => {
      const directory = join(t.testdir(), 'store')
      const { acknowledged, codes, read } = run(directory, files, openFiles)
      t.comment(`${acknowledged.length} acknowledged, ${read} read, codes ${codes.join(', ') || 'none'}`)
      if (openFiles !== 'default') t.same({ codes, read, n: acknowledged.length }, { codes: [], read: 1000, n: 1000 })
      // A limit above what the system gives is the caller's mistake: told, and nothing lost.
      t.same(
        codes.filter((code) => !/^ERR_(?:IO|WRITER_FAILED|OUTCOME_UNKNOWN)$/.test(code)),
        [],
      )
      const store = await openEventStore(directory)
      for (const n of acknowledged) {
        const { version } = await store.streamInfo(`stream-${n}`)
        if (version !== 5) t.fail(`stream-${n} has ${version} of 5 events`)
      }
      await store.close()
      t.match(await verifyStore(directory), { ok: true })
    },
  )
}
