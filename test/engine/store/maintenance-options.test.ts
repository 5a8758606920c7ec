import t from 'tap'
import {
  backupStore,
  openEventStore,
  reindexStore,
  repairStore,
  restoreStore,
  verifyStore,
  type VerifyOptions,
} from '../../../engine/index.js'

import { openReadOnly } from '../../../engine/store/open-store.js'
import { numbered, TestMachine } from './test-machine.js'

const refusal = { name: 'InvalidArgumentError', code: 'ERR_INVALID_ARGUMENT' }

/** What no compiler refuses in a program without types. */
const wrong = {
  'an unknown option': { dryrun: true },
  'no object': null,
  'a number': 7,
  'a signal that is none': { signal: {} },
  'a signal that is null': { signal: null },
  'onProgress that is no function': { onProgress: 3 },
}

t.test(
  'verify, repair, reindex, backup and restore refuse options that can never work, before anything is done',
  async (t) => {
    const folder = t.testdir()
    const store = await openEventStore(`${folder}/store`)
    await store.append('a', [{ type: 'T' }])
    const reader = await openEventStore(`${folder}/store`, { readOnly: true })
    for (const [title, bad] of Object.entries(wrong)) {
      const options = bad as never
      await t.rejects(store.verify(options), refusal, `store.verify: ${title}`)
      await t.rejects(reader.verify(options), refusal, `verify beside the writer: ${title}`)
      await t.rejects(verifyStore(`${folder}/store`, options), refusal, `verifyStore: ${title}`)
      await t.rejects(repairStore(`${folder}/store`, options), refusal, `repairStore: ${title}`)
      await t.rejects(reindexStore(`${folder}/store`, options), refusal, `reindexStore: ${title}`)
      await t.rejects(backupStore(`${folder}/store`, `${folder}/backup`, options), refusal, `backupStore: ${title}`)
      await t.rejects(
        restoreStore(`${folder}/backup`, `${folder}/restored`, options),
        refusal,
        `restoreStore: ${title}`,
      )
    }
    const odd = [{ fast: 'no' }, { maxFindings: -1 }, { limits: { logSegmentBytes: 'x' } }, { limits: null }]
    for (const options of odd as unknown as VerifyOptions[]) {
      await t.rejects(verifyStore(`${folder}/store`, options), refusal, `verifyStore: ${JSON.stringify(options)}`)
    }
    await t.rejects(repairStore(`${folder}/store`, { dryRun: 'no' as unknown as boolean }), refusal, 'dryRun')
    await reader.close()
    await store.close()
    const all = { fast: true, maxFindings: 0, limits: {}, signal: undefined, onProgress: undefined }
    t.match(await verifyStore(`${folder}/store`, all), { ok: true })
    t.match(await repairStore(`${folder}/store`, { ...all, dryRun: true }), { ok: true })
  },
)

t.test('what is no path is refused, and no error of the system comes through', async (t) => {
  const folder = t.testdir()
  for (const bad of [undefined, 5, '', 'a\0b'] as string[]) {
    const calls: readonly ((path: string) => Promise<unknown>)[] = [verifyStore, repairStore, reindexStore]
    for (const call of calls) await t.rejects(call(bad), refusal, call.name)
    for (const call of [backupStore, restoreStore]) {
      await t.rejects(call(bad, `${folder}/to`), refusal, `${call.name} from`)
      await t.rejects(call(folder, bad), refusal, `${call.name} to`)
    }
  }
})

t.test('what the system refuses maintenance has a code of annals', async (t) => {
  const folder = t.testdir({ file: '' })
  await (await openEventStore(`${folder}/store`)).close()
  await backupStore(`${folder}/store`, `${folder}/backup`)
  const refused = { code: 'ERR_IO', cause: { code: /EEXIST|ENOTDIR/ } }
  await t.rejects(backupStore(`${folder}/store`, `${folder}/file`), refused)
  await t.rejects(restoreStore(`${folder}/backup`, `${folder}/file/in`), refused)
  await t.rejects(verifyStore(`${folder}/file/in`), refused)
})

t.test('[fault 27] what the system refuses verify has a code of annals, beside the writer and in it', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open()
  await store.append('a', numbered(2))
  const reader = await openReadOnly({ ...machine.environment, files: machine.files }, '/store', { readOnly: true })
  for (const opened of [store, reader]) {
    machine.files.setFaults({ failAt: 1, sticky: true, code: 'EIO', only: ({ kind }) => kind === 'list' })
    await t.rejects(opened.verify(), { code: 'ERR_IO', cause: { code: 'EIO' } })
    machine.files.setFaults()
    t.match(await opened.verify(), { ok: true })
  }
  await reader.close()
  await store.close()
})
