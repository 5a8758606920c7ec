// Compiles engine/format/crc32c-wasm.wat into crc32c-wasm-module.ts beside it. The result is checked in, so that the
// package builds without an assembler; `--check` writes nothing and fails when the two differ.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import openWabt from 'wabt'

const source = fileURLToPath(new URL('../engine/format/crc32c-wasm.wat', import.meta.url))
const target = fileURLToPath(new URL('../engine/format/crc32c-wasm-module.ts', import.meta.url))

const wabt = await openWabt()
const { buffer } = wabt.parseWat(source, readFileSync(source, 'utf8')).toBinary({})
const lines = Buffer.from(buffer)
  .toString('base64')
  .match(/.{1,110}/g)
  .map((line) => `  '${line}'`)
const text = [
  '// Generated from crc32c-wasm.wat by scripts/build-crc.mjs: change that file, then run the script.',
  '',
  `/** The WebAssembly module of crc32c-wasm.wat, ${buffer.length} bytes in base64. */`,
  'export const wasmModule =',
  lines.join(' +\n'),
  '',
].join('\n')

if (!process.argv.includes('--check')) writeFileSync(target, text)
else if (readFileSync(target, 'utf8') !== text) {
  console.error('crc32c-wasm-module.ts is not what crc32c-wasm.wat compiles to: run node scripts/build-crc.mjs')
  process.exitCode = 1
}
