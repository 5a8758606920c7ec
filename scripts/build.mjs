// Builds the package: `build/` mirrors the sources one to one (tests, tools, benchmarks and examples run from
// there), `dist/` is what is published: one bundled module and its declarations.
import { execFileSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { cp, rm } from 'node:fs/promises'
import { build } from 'esbuild'

