import t from 'tap'
import { encodeCheckpoint } from '../../../engine/format/checkpoint.js'
import { KeyHasher } from '../../../engine/format/key-hash.js'
import { windowOf } from '../../../engine/format/frame.js'
import { KeyFileWriter, type KeyFileSubject } from '../../../engine/keys/key-file-writer.js'
import { KeyCollector } from '../../../engine/keys/key-scan.js'
import { KeyTable } from '../../../engine/keys/key-table.js'
import type { Environment } from '../../../engine/io/file-system.js'
import type { Finding } from '../../../engine/recovery/findings.js'
import { verify } from '../../../engine/recovery/verify.js'
import { framesOf } from '../../support/crafted-files.js'
import { type ForgedStore, forgedStore, STORE_ID } from '../../support/forge.js'
import { imageOf, put, restore, STORE } from './verify-support.js'

const KEY = `${STORE}/log/0000000000000000-0000000001.key`

function store(): ForgedStore {
  const made = forgedStore([
    [
      [
        ['a', { tags: ['x', 'y'] }],
        ['b', { tags: ['x'] }],
      ],
      [['a']],
    ],
    [[['b', { tags: ['z'] }]]],
  ])
  made.files.set(`${STORE}/checkpoint`, encodeCheckpoint(STORE_ID, { ...made.checkpoint, keyedFrom: 0 }))
  return made
}

interface Forgery {
  readonly subject?: Partial<KeyFileSubject>
  /** Returns other keys than those that the segment has. */
  readonly change?: (table: KeyTable) => KeyTable
  /** Bytes by which its places are wrong. */
  readonly shift?: number
  readonly path?: string
}

/** A store with a key file of its first log segment. */
async function keyed({ subject, change, shift = 0, path = KEY }: Forgery = {}): Promise<Environment> {
  const { files, logs } = store()
  const environment = restore(files)
  const bytes = files.get(logs[0]!)!
  let table = new KeyTable()
  const collector = new KeyCollector(new KeyHasher(STORE_ID), table)
  const window = windowOf(bytes)
  for (const { start, kind } of framesOf(bytes)) if (kind === 2) collector.add(window, start, start + shift)
  collector.finish()
  if (change !== undefined) table = change(table)
  const segments = [{ base: 0, epoch: 1 }]
  const whole = { segments, lastBytes: bytes.length, end: 3, ...subject }
  const writer = new KeyFileWriter(environment.files, path, STORE_ID, whole, table.size, 1e6, () => undefined)
  for (const entry of table.sorted()) table.visit(entry, (...place) => writer.add(...place))
  await writer.finish()
  return environment
}

function withOne(table: KeyTable): KeyTable {
  table.add(1, 2, 3, 96)
  return table
}

async function found(environment: Environment, path = KEY): Promise<Finding[]> {
  const { findings } = await verify(environment, STORE, {})
  return findings.filter(({ file }) => file === path)
}

t.test('[F3] a key file that has the entries of its segments and no others is right', async (t) => {
  t.same(await found(await keyed()), [])
})

t.test('[fault 49] a key file with right checksums that is wrong says how', async (t) => {
  const cases: readonly (readonly [string, Forgery, RegExp])[] = [
    ['an end before the last event', { subject: { end: 2 } }, /ends at another position than its segments/],
    ['an entry of no event', { change: withOne }, /has entries of no event/],
    ['other places', { shift: 1 }, /does not say where the events are/],
    ['entries of others', { change: () => withOne(new KeyTable()) }, /does not say where the events are/],
    ['none of the entries', { change: () => new KeyTable() }, /does not say where the events are/],
  ]
  for (const [what, forgery, message] of cases) {
    t.match(await found(await keyed(forgery)), [{ invariant: 'I11', severity: 'derived', message }], what)
  }
  const elsewhere = KEY.replace('0000-0000000001', '0001-0000000001')
  t.match(await found(await keyed({ path: elsewhere }), elsewhere), [
    { invariant: 'I1', severity: 'derived', message: 'the header of the key file does not agree with its name' },
  ])
  t.same(
    await found(await keyed({ subject: { lastBytes: 100 } })),
    [],
    'one that goes less far is not believed by anybody',
  )
})

t.test('[fault 39] a damaged key file is found, in its head and in its blocks', async (t) => {
  const bytes = imageOf((await keyed()).files).get(KEY)!
  for (const at of [20, bytes.length - 4000]) {
    const environment = await keyed()
    const damaged = Buffer.from(bytes)
    damaged[at]! ^= 1
    put(environment.files, KEY, damaged)
    t.match(await found(environment), [{ invariant: 'I11', severity: 'derived', message: 'the key file is damaged' }])
  }
})

t.test('[U3] of a log segment that is damaged nothing is said of its key file', async (t) => {
  const environment = await keyed()
  const { files, logs } = store()
  const damaged = Buffer.from(files.get(logs[0]!)!)
  damaged[96 + 84 + 70]! ^= 1
  put(environment.files, logs[0]!, damaged)
  t.same(await found(environment), [])
  t.equal((await verify(environment, STORE, {})).ok, false)
})

t.test('a key file that is merged into another while it is looked at is no finding', async (t) => {
  for (const [what, opens] of [
    ['before it is opened', 0],
    ['before its entries are compared', 1],
  ] as const) {
    const environment = await keyed()
    const { files } = environment
    const open = files.open.bind(files)
    let opened = 0
    files.open = (path, mode) => {
      if (path === KEY && opened++ === opens) files.remove(KEY)
      return open(path, mode)
    }
    t.same(await found(environment), [], what)
    t.ok(opened > opens)
  }
})
