import fc from 'fast-check'
import t from 'tap'
import { parseUuid, UuidFormatter, UuidSource } from '../../../engine/format/uuid.js'

const TEXT = '0188d1b2-0001-7000-8000-00000000abcd'

t.test('UuidFormatter and parseUuid are inverse', (t) => {
  const formatter = new UuidFormatter()
  const bytes = Buffer.alloc(20)
  t.ok(parseUuid(TEXT, bytes, 2))
  t.equal(bytes.toString('hex'), `0000${TEXT.replaceAll('-', '')}0000`)
  t.equal(formatter.format(bytes, 2), TEXT)
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (id) => {
      const text = formatter.format(id, 0)
      const back = new Uint8Array(16)
      return (
        /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text) &&
        parseUuid(text, back, 0) &&
        Buffer.from(back).equals(id)
      )
    }),
  )
  t.end()
})

t.test('[A3] parseUuid refuses everything but the canonical lower-case form', (t) => {
  const target = new Uint8Array(16)
  for (const text of [
    '',
    TEXT.slice(1),
    `${TEXT}0`,
    TEXT.toUpperCase(),
    TEXT.replace('0', 'g'),
    TEXT.replaceAll('-', ''),
    TEXT.replace('-', '0'),
    `{${TEXT.slice(2)}}`,
    TEXT.replace('0188', '01é8'),
    TEXT.replace('0188', '０188'),
  ]) {
    t.notOk(parseUuid(text, target, 0), text)
  }
  for (let at = 0; at < 36; at++) {
    t.notOk(parseUuid(`${TEXT.slice(0, at)}\uff10${TEXT.slice(at + 1)}`, target, 0))
    if (TEXT[at] !== '-') t.notOk(parseUuid(`${TEXT.slice(0, at)}-${TEXT.slice(at + 1)}`, target, 0))
  }
  t.end()
})

t.test('[A7] UuidSource makes random UUIDs of version 4 and asks for randomness in bulk', (t) => {
  let asked = 0
  const source = new UuidSource((target) => {
    target.fill(++asked === 1 ? 0xff : 0)
  })
  const bytes = Buffer.alloc(18)
  source.write(bytes, 1)
  t.equal(new UuidFormatter().format(bytes, 1), 'ffffffff-ffff-4fff-bfff-ffffffffffff')
  t.equal(bytes[0], 0)
  t.equal(bytes[17], 0)
  for (let n = 0; n < 255; n++) source.write(bytes, 1)
  t.equal(asked, 1)
  source.write(bytes, 1)
  t.equal(asked, 2)
  t.equal(new UuidFormatter().format(bytes, 1), '00000000-0000-4000-8000-000000000000')
  t.end()
})
