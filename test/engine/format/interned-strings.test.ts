import fc from 'fast-check'
import t from 'tap'
import { InternedStrings } from '../../../engine/format/interned-strings.js'

t.test('InternedStrings returns the text of the bytes, whatever it has seen before', (t) => {
  for (const slots of [1, 4, 512]) {
    const strings = new InternedStrings(slots)
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 80 }), { maxLength: 20 }), (texts) =>
        [...texts, ...texts].every((text) => {
          const bytes = Buffer.from(`<${text}>`)
          return strings.get(bytes, 1, bytes.length - 1) === text
        }),
      ),
    )
  }
  t.end()
})

t.test('InternedStrings never takes one text for another in the same slot', (t) => {
  const strings = new InternedStrings(1)
  for (const text of ['Deposited', 'Deposites', 'Ä', '\u00c3\u0084', 'Ã„', '', 'x'.repeat(64), 'x'.repeat(65)]) {
    const bytes = Buffer.from(text)
    t.equal(strings.get(bytes, 0, bytes.length), text)
    t.equal(strings.get(bytes, 0, bytes.length), text)
  }
  t.end()
})
