import t from 'tap'
import { type BackupManifest, decodeManifest, encodeManifest } from '../../../engine/format/backup-manifest.js'

const MANIFEST: BackupManifest = { storeId: '0f'.repeat(16), complete: false, position: 0, time: 1_700_000_000_000 }

t.test('a manifest comes back as it was, and people can read it', (t) => {
  const bytes = encodeManifest(MANIFEST)
  t.same(decodeManifest(bytes), { kind: 'manifest', manifest: MANIFEST })
  t.match(bytes.toString(), /^\{\n {2}"format": "annals backup",\n {2}"version": 1,\n[^]*\n\}\n$/)
  t.end()
})

t.test('[fault 52] what is no manifest is foreign, field by field; another version is newer', (t) => {
  const kindOf = (value: unknown): string => decodeManifest(Buffer.from(JSON.stringify(value))).kind
  const whole = { format: 'annals backup', version: 1, ...MANIFEST }
  t.equal(kindOf(whole), 'manifest')
  t.equal(kindOf({ ...whole, version: 2, storeId: undefined }), 'newer', 'whatever else is in it')
  t.equal(decodeManifest(Buffer.from('no JSON')).kind, 'foreign')
  for (const value of [null, 7, 'text', [], {}, { ...whole, format: 'other' }]) t.equal(kindOf(value), 'foreign')
  for (const wrong of [
    { storeId: 7 },
    { storeId: '0F'.repeat(16) },
    { complete: 'yes' },
    { position: 1.5 },
    { position: -1 },
    { time: 'now' },
  ]) {
    t.equal(kindOf({ ...whole, ...wrong }), 'foreign', JSON.stringify(wrong))
  }
  t.end()
})
