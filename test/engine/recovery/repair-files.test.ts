import t from 'tap'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { Replacer } from '../../../engine/recovery/repair-files.js'
import { Repairs } from '../../../engine/recovery/repair-plan.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'
import { imageOf, put } from './verify-support.js'

const FILE = '/store/streams/4d/a@0000000000000000.seg'
const TIME = Date.UTC(2024, 1, 29, 12, 30)
const ASIDE = '/store/aside/2024-02-29T12-30-00.000Z/streams/4d/a@0000000000000000.seg'

function setUp(dry = false) {
  const environment = { ...memoryEnvironment(), now: () => TIME }
  const files = new FaultyFileSystem(environment.files)
  put(environment.files, FILE, Buffer.from('damaged'))
  const texts = (): Record<string, string> =>
    Object.fromEntries([...imageOf(environment.files)].map(([path, contents]) => [path, contents.toString()]))
  return { files, texts, replacer: new Replacer({ ...environment, files }, '/store', dry) }
}

t.test(
  'what is replaced or removed is set aside first, and the first contents are the ones that are kept',
  async (t) => {
    const { replacer, texts } = setUp()
    t.equal(await replacer.replace(FILE, Buffer.from('healed')), ASIDE)
    t.same(texts(), { [FILE]: 'healed', [ASIDE]: 'damaged' })
    t.equal(await replacer.replace(FILE, Buffer.from('healed again')), ASIDE)
    t.same(texts(), { [FILE]: 'healed again', [ASIDE]: 'damaged' })
    t.equal(await replacer.remove(FILE), ASIDE)
    t.same(texts(), { [ASIDE]: 'damaged' })
    t.equal(await replacer.replace('/store/streams/00/new', Buffer.from('made')), undefined, 'there was nothing')
    t.equal(texts()['/store/streams/00/new'], 'made')
    t.equal(await replacer.remove('/store/streams/00/nothing'), undefined)
  },
)

t.test('[fault 38] when any step fails the old contents are in their place, aside, or both', async (t) => {
  for (let failAt = 1; failAt < 60; failAt++) {
    const { files, replacer, texts } = setUp()
    files.setFaults({ failAt, only: ({ kind }) => kind !== 'close' })
    const failed = await replacer.replace(FILE, Buffer.from('healed')).then(
      () => false,
      () => true,
    )
    const { [FILE]: now, [ASIDE]: aside } = texts()
    t.ok(now === 'damaged' || aside === 'damaged', `operation ${failAt}`)
    t.ok(now === 'damaged' || now === 'healed')
    if (files.failures === 0) break
    if (!failed && files.failures > 0) t.equal(now, 'healed', 'what failed was of no account')
  }
})

t.test('a dry run names what it would do and changes nothing', async (t) => {
  const { replacer, texts, files } = setUp(true)
  const repairs = new Repairs(replacer, () => undefined)
  await repairs.replace(FILE, Buffer.from('healed'), 'written again')
  await repairs.remove(FILE, 'set aside')
  t.same(repairs.actions, [
    { file: FILE, action: 'written again', aside: undefined },
    { file: FILE, action: 'set aside', aside: undefined },
  ])
  t.same(texts(), { [FILE]: 'damaged' })
  t.equal(files.counts.write, undefined)
})

t.test(
  '[F4] nothing is changed once the store belongs to another writer, nor where nothing would change',
  async (t) => {
    const { replacer, texts } = setUp()
    let ours = true
    const repairs = new Repairs(replacer, () => {
      if (!ours) throw new Error('lost')
    })
    await repairs.replace(FILE, Buffer.from('damaged'), 'the same again')
    t.same(repairs.actions, [])
    ours = false
    await t.rejects(repairs.replace(FILE, Buffer.from('healed'), 'written again'), { message: 'lost' })
    await t.rejects(repairs.remove(FILE, 'set aside'), { message: 'lost' })
    t.same(repairs.actions, [])
    t.same(texts(), { [FILE]: 'damaged' })
    repairs.fail(FILE, 7, 'in neither copy', 'a')
    t.same(repairs.failures, [{ file: FILE, byte: 7, reason: 'in neither copy', stream: 'a' }])
  },
)
