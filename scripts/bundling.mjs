// How the runtime libraries become part of annals. Used for build/ and for dist/, so what is tested is what ships.
//
// * graceful-fs, which proper-lockfile loads, replaces fs.close and fs.closeSync of the whole process. It is left out:
//   the engine hands proper-lockfile its own file system, plain node:fs stands in for the default.
// * signal-exit, which proper-lockfile calls when loaded, adds listeners for every fatal signal and replaces
//   process.emit. It is left out too: a lock that a dead process left behind is taken over at the next open.
// * Native addons stay outside and are looked up at run time, where the application has them. fast-crc32c is nothing
//   without its addon, so the engine looks it up itself; msgpackr asks for its own with a call a bundler would follow.
import { isBuiltin } from 'node:module'

const BUNDLED = /^(?:msgpackr|proper-lockfile)(?:\/|$)/
const SHIPPED = /[\\/](?:engine|kit|adapters|tools)[\\/]/

/** Returns an esbuild plugin. With `sources`, only the runtime libraries are bundled, into the file that imports them. */
export function bundling({ sources = false } = {}) {
  return {
    name: 'annals',
    setup(build) {
      const replace = (filter, namespace, contents) => {
        build.onResolve({ filter }, ({ path }) => ({ path, namespace }))
        build.onLoad({ filter: /.*/, namespace }, ({ path }) => ({ contents: contents(path), resolveDir: '.' }))
      }
      replace(/^graceful-fs$/, 'plain-fs', () => `export * from 'node:fs'`)
      replace(/^signal-exit$/, 'inert', () => `module.exports = () => () => {}`)
      replace(/^msgpackr-extract$/, 'native', (path) => `module.exports = require('annals:load').load('${path}')`)
      // Evaluated at the first require, inside the caller's try: where a bundler left import.meta empty, there is no addon.
      replace(
        /^annals:load$/,
        'load',
        () => `import { createRequire } from 'node:module'; export const load = createRequire(import.meta.url)`,
      )

      // CommonJS inside an ES module has no `require`: built-in modules become imports.
      build.onResolve({ filter: /.*/ }, ({ path, kind }) => {
        if (!isBuiltin(path)) return undefined
        return kind === 'require-call' ? { path, namespace: 'builtin' } : { path, external: true }
      })
      build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({ contents: `export * from '${path}'` }))

      if (!sources) return
      build.onResolve({ filter: /.*/ }, ({ path, importer, kind }) => {
        if (kind === 'entry-point' || importer.includes('node_modules')) return undefined
        if (BUNDLED.test(path) && SHIPPED.test(importer)) return undefined
        return { path, external: true }
      })
    },
  }
}
