import t from 'tap'
import { pathToFileURL } from 'node:url'
import { loadNative } from '../../../engine/format/crc32c-native.js'

/** What stands in for the addon: right, so that only what a test changes can be why it is refused. */
const RIGHT = `(bytes, previous) => {
  let crc = ~previous
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}`
const FAST = `module.exports = { calculate: require('sse4_crc32').calculate }`

let applications = 0

t.test('[Z1] loadNative takes the addon that fast-crc32c really uses', async (t) => {
  const found = loadNative(application(t, { fast: FAST, addon: addon('true', RIGHT) }))
  t.equal(found?.(Buffer.from('123456789'), 0), 0xe3069283)
})

t.test('[Z1] loadNative refuses whatever is not the native CRC', async (t) => {
  const cases: Record<string, { fast?: string; addon?: string }> = {
    'nothing installed': {},
    'fast-crc32c without its optional addon': { fast: `module.exports = { calculate: ${RIGHT} }` },
    'an addon that fast-crc32c does not use': {
      fast: `module.exports = { calculate: ${RIGHT} }`,
      addon: addon('true', RIGHT),
    },
    'a processor without the instruction': { fast: FAST, addon: addon('false', RIGHT) },
    'an addon that does not tell': { fast: FAST, addon: addon('undefined', RIGHT) },
    'an addon that cannot be loaded': {
      fast: `module.exports = { calculate: ${RIGHT} }`,
      addon: `throw new Error('dlopen')`,
    },
    'a package that cannot be loaded': { fast: `throw new Error('broken')`, addon: addon('true', RIGHT) },
    'wrong results': { fast: FAST, addon: addon('true', '() => 7') },
    'no chaining': { fast: FAST, addon: addon('true', `(bytes) => (${RIGHT})(bytes, 0)`) },
  }
  for (const [name, installed] of Object.entries(cases)) t.equal(loadNative(application(t, installed)), undefined, name)
})

t.test('[Z1] loadNative finds nothing where the module has no address', async (t) => {
  t.equal(loadNative(undefined as unknown as string), undefined, 'a bundle in CommonJS: import.meta.url is undefined')
})

function addon(hardware: string, calculate: string): string {
  return `module.exports = { hardware_support: ${hardware}, calculate: ${calculate} }`
}

/** An application with these packages installed; returns the URL of a module in it. */
function application(t: Tap, { fast, addon }: { fast?: string; addon?: string }): string {
  const packages: Record<string, Record<string, string>> = {}
  // Where nothing is installed something that fails is: the lookup must not go on to the packages of this repository.
  packages['fast-crc32c'] = { 'index.js': fast ?? `throw new Error('Cannot find module')` }
  packages['sse4_crc32'] = { 'index.js': addon ?? `throw new Error('Cannot find module')` }
  // A path of its own for each, because modules once loaded from a path stay loaded.
  const name = `application-${++applications}`
  const folder = t.testdir({ [name]: { node_modules: { annals: { dist: { 'index.js': '' } }, ...packages } } })
  return pathToFileURL(`${folder}/${name}/node_modules/annals/dist/index.js`).href
}

type Tap = Pick<typeof t, 'testdir'>
