import fc from 'fast-check'
import t from 'tap'
import { crc32c } from '../../../engine/format/crc32c.js'
import {
  logFileName,
  parseLogFileName,
  parseStreamFileName,
  shardName,
  SHARDS,
  streamFileName,
  streamKey,
  unescapeName,
} from '../../../engine/format/names.js'
import { HOSTILE_NAMES } from '../../contract/contract-support.js'

const name = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }),
  fc.stringMatching(/^[a-zA-Z0-9_%@~-]{1,300}$/),
)
const escaped = (text: string): string => streamKey(text).path.slice(3)

t.test('[A2] names are escaped as the table says', (t) => {
  t.equal(escaped('account-1_x'), 'account-1_x')
  t.equal(escaped('A/b:é'), '%41%2fb%3a%c3%a9')
  t.equal(escaped('%41'), '%2541')
  t.equal(escaped('a@~'), 'a%40%7e')
  t.equal(escaped('x'.repeat(180)), 'x'.repeat(180))
  t.match(escaped('x'.repeat(181)), /^x{140}~[0-9a-f]{32}$/)
  t.match(escaped('/'.repeat(61)), /^(?:%2f){46}~[0-9a-f]{32}$/, 'no escape is cut in two')
  t.end()
})

t.test('[A2] [fault 65] two names never share a file, also where case is ignored', (t) => {
  const seen = new Map<string, string>()
  const unique = (text: string): boolean => {
    const file = streamKey(text).path.toLowerCase()
    const other = seen.get(file)
    seen.set(file, text)
    return other === undefined || other === text
  }
  for (const hostile of HOSTILE_NAMES) t.ok(unique(hostile))
  fc.assert(fc.property(name, unique), { numRuns: 2000 })
  t.end()
})

t.test('[A2] a file name is safe on every system, and never leaves its folder', (t) => {
  const safe = (text: string): boolean => {
    const { path } = streamKey(text)
    const file = streamFileName(path, Number.MAX_SAFE_INTEGER, '.seg')
    return /^[0-9a-f]{2}\/[a-z0-9_%~-]+@\d{16}\.seg$/.test(file) && file.length <= 3 + 180 + 21
  }
  for (const hostile of HOSTILE_NAMES) t.ok(safe(hostile))
  fc.assert(fc.property(name, safe), { numRuns: 1000 })
  t.end()
})

t.test('unescapeName gives the name back, and undefined where only a hash is left', (t) => {
  fc.assert(
    fc.property(name, (text) => {
      const back = unescapeName(escaped(text))
      return back === undefined ? escaped(text).includes('~') : back === text
    }),
    { numRuns: 1000 },
  )
  t.equal(unescapeName(escaped('x'.repeat(1000))), undefined)
  t.end()
})

t.test('streamKey carries the UTF-8 of the name and its hash, which chooses the folder', (t) => {
  const key = streamKey('größe')
  t.same(key.bytes, Buffer.from('größe'))
  t.equal(key.hash, crc32c(key.bytes, 0, key.bytes.length))
  t.equal(key.path.slice(0, 2), shardName(key.hash % SHARDS))
  t.equal(shardName(255), 'ff')
  t.equal(shardName(0), '00')
  t.end()
})

t.test('file names are read back, foreign ones are left alone', (t) => {
  fc.assert(
    fc.property(name, fc.maxSafeNat(), fc.constantFrom<'.seg' | '.idx'>('.seg', '.idx'), (text, base, suffix) => {
      const file = streamFileName(escaped(text), base, suffix)
      t.same(parseStreamFileName(file), { escaped: escaped(text), base, suffix })
    }),
    { numRuns: 50 },
  )
  t.equal(logFileName(12, 3, '.tab'), '0000000000000012-0000000003.tab')
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.nat(), (base, epoch) => {
      t.same(parseLogFileName(logFileName(base, epoch, '.log')), { base, epoch, suffix: '.log' })
    }),
    { numRuns: 50 },
  )
  for (const foreign of [
    '.DS_Store',
    'lost+found',
    'a@1.seg',
    'a@0000000000000001.seg~',
    '@0000000000000001.seg',
    'x',
    '',
  ]) {
    t.equal(parseStreamFileName(foreign), undefined, foreign)
    t.equal(parseLogFileName(foreign), undefined, foreign)
  }
  for (const foreign of ['0000000000000001-0000000001.log.bak', '1-1.log', '0000000000000001-0000000001.seg']) {
    t.equal(parseLogFileName(foreign), undefined, foreign)
  }
  t.end()
})
