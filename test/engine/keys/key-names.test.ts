import t from 'tap'
import { keyFileName, LAST_TIER, parseKeyFileName } from '../../../engine/keys/key-names.js'

t.test('a name is read back, of every tier', (t) => {
  for (let tier = 0; tier <= LAST_TIER; tier++) {
    for (const first of [
      { base: 0, epoch: 1 },
      { base: Number.MAX_SAFE_INTEGER, epoch: 4_294_967_295 },
    ]) {
      t.same(parseKeyFileName(keyFileName(first, tier)), { ...first, tier })
    }
  }
  t.equal(keyFileName({ base: 12, epoch: 3 }, 0), '0000000000000012-0000000003.key')
  t.equal(keyFileName({ base: 12, epoch: 3 }, 2), '0000000000000012-0000000003.key2')
  t.end()
})

t.test('[fault 53] other files are none', (t) => {
  for (const name of [
    '0000000000000012-0000000003.log',
    '0000000000000012-0000000003.key9',
    '0000000000000012-0000000003.key0',
    '0000000000000012-0000000003.key11',
    '0000000000000012-0000000003.key.new',
    '0000000000000012-0000000003.KEY',
    '12-3.key',
    '.key',
    ' 0000000000000012-0000000003.key',
  ]) {
    t.equal(parseKeyFileName(name), undefined, name)
  }
  t.end()
})
