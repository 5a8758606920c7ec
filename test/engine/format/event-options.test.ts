import t from 'tap'
import {
  encodeCommitId,
  encodeTags,
  eachTag,
  NO_BYTES,
  optionsFill,
  TagDecoder,
} from '../../../engine/format/event-options.js'
import { MAX_COMMIT_ID_BYTES, MAX_TAG_BYTES, MAX_TAGS } from '../../../engine/limits.js'

t.test('[F2] tags and the commit id stand as the format says', (t) => {
  t.equal(encodeTags(['a', 'bé']).toString('hex'), '02' + '0161' + '0362c3a9')
  t.equal(encodeCommitId('é1').toString('hex'), '03c3a931')
  t.equal(encodeTags([]), NO_BYTES)
  t.equal(encodeTags(undefined), NO_BYTES)
  t.end()
})

t.test('[F7] as many and as long tags as the limits allow fit the 16 bits of the options', (t) => {
  const tags = Array.from({ length: MAX_TAGS }, (_, i) => String(i).padEnd(MAX_TAG_BYTES, '-'))
  const bytes = encodeTags(tags)
  t.ok(bytes.length + 1 + MAX_COMMIT_ID_BYTES + 6 <= 0xffff)
  t.same(new TagDecoder().decode(bytes, 0, bytes.length), tags)
  t.throws(() => encodeTags([...tags, 'x']), { code: 'ERR_TOO_LARGE', limit: MAX_TAGS, actual: MAX_TAGS + 1 })
  t.throws(() => encodeTags(['x'.repeat(256)]), { code: 'ERR_TOO_LARGE', limit: MAX_TAG_BYTES, actual: 256 })
  t.throws(() => encodeTags(['é'.repeat(128)]), { code: 'ERR_TOO_LARGE', actual: 256 })
  t.end()
})

t.test('[fault 50] lengths that lead beyond the options end the tags', (t) => {
  const bytes = encodeTags(['abc', 'de'])
  const seen: string[] = []
  const collect = (start: number, end: number): void => void seen.push(bytes.toString('utf8', start, end))
  eachTag(bytes, 0, 6, collect)
  t.same(seen, ['abc'])
  bytes[0] = 200
  eachTag(bytes, 0, bytes.length, collect)
  t.same(seen, ['abc', 'abc', 'de'])
  t.end()
})

t.test('a visitor ends the tags by returning false', (t) => {
  const bytes = encodeTags(['a', 'b'])
  let count = 0
  eachTag(bytes, 0, bytes.length, () => {
    count++
    return false
  })
  t.equal(count, 1)
  t.end()
})

t.test('[fault 50] options are only those that an encoder writes', (t) => {
  const fill = (hex: string, hasCommitId: boolean, hasTags: boolean): boolean => {
    const bytes = Buffer.from(hex, 'hex')
    return optionsFill(bytes, 0, bytes.length, hasCommitId, hasTags)
  }
  t.ok(fill('0161' + '02' + '0161' + '0162', true, true))
  t.ok(fill('0161', true, false))
  t.ok(fill('', false, false))
  for (const [hex, hasCommitId, hasTags, what] of [
    ['', true, false, 'no commit id'],
    ['00', true, false, 'an empty commit id'],
    ['0261', true, false, 'a commit id that is cut'],
    ['01ff', true, false, 'no UTF-8'],
    ['', false, true, 'no count'],
    ['00', false, true, 'a count of 0'],
    ['fb', false, true, 'more tags than there may be'],
    ['020161', false, true, 'fewer tags than said'],
    ['0201610161', false, true, 'a tag twice'],
    ['0101610162', false, true, 'something behind'],
  ] as const) {
    t.notOk(fill(hex, hasCommitId, hasTags), what)
  }
  t.end()
})
