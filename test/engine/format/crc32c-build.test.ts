import t from 'tap'
import { build } from 'esbuild'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = execFileSync('npm', ['prefix'], {
  encoding: 'utf8',
  cwd: fileURLToPath(new URL('.', import.meta.url)),
}).trim()

t.test('[Z1] the checked-in module is what its source compiles to', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/build-crc.mjs', '--check'], {
    cwd: root,
    encoding: 'utf8',
  })
  t.equal(status, 0, stderr)
})

t.test(
  '[Z1] bundled into one file and away from any package, the fallback computes checksums in silence',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'crc32c-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const banner =
      "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);"
    const { warnings } = await build({
      entryPoints: [join(root, 'engine/format/crc32c.ts')],
      outfile: join(folder, 'index.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner: { js: banner },
    })
    t.same(warnings, [])
    const script = `const { crc32c, crc32cMethod } = require('./index.mjs')
    console.log(crc32cMethod(), crc32c(Buffer.from('123456789'.repeat(50)), 441, 450))`
    const flags = ['--experimental-require-module', '--disable-warning=ExperimentalWarning']
    const run = spawnSync(process.execPath, [...flags, '-e', script], { cwd: folder, encoding: 'utf8', env: {} })
    t.match(run, { status: 0, stdout: `wasm 3808858755\n`, stderr: '' }, 'by require(), as by import')
  },
)
