import t from 'tap'
import { QueryConflictError, VersionConflictError } from '../../engine/index.js'
import { commandHandler, retryOnConflict } from '../../kit/index.js'

const conflict = () => new VersionConflictError('s', 1, 2)

t.test('[G6] conflicts, and nothing else, are tried again, at most so often', async (t) => {
  const seen: number[] = []
  t.equal(await retryOnConflict((attempt) => (seen.push(attempt) < 3 ? Promise.reject(conflict()) : 'done')), 'done')
  t.same(seen, [1, 2, 3])
  for (const [error, calls] of [
    [conflict(), 5],
    [new QueryConflictError(1, 0), 5],
    [Object.assign(new Error('of another package'), { code: 'ERR_VERSION_CONFLICT' }), 5],
    [new Error('mine'), 1],
  ] as const) {
    let count = 0
    const work = () => {
      count++
      throw error
    }
    t.equal(await retryOnConflict(work).catch((thrown: unknown) => thrown), error)
    t.equal(count, calls)
  }
  await t.rejects(
    retryOnConflict(() => 1, { attempts: 0 }),
    { code: 'ERR_INVALID_ARGUMENT' },
  )
})

t.test('[G8] a command handler has a result or none, and gets signal and attempt', async (t) => {
  const controller = new AbortController()
  const seen: unknown[] = []
  const handler = commandHandler<{ n: number }, string>(
    async ({ n }, { signal, attempt }) => {
      seen.push([n, signal === controller.signal, attempt])
      if (attempt === 1) throw conflict()
      return `${n}`
    },
    { attempts: 2 },
  )
  const result: string = await handler({ n: 7 }, { signal: controller.signal })
  t.equal(result, '7')
  t.same(seen, [
    [7, true, 1],
    [7, true, 2],
  ])
  const nothing = commandHandler<number>(async (_, { signal }) => {
    t.equal(signal, undefined)
  })
  await nothing(1)
  const aborting = commandHandler<number>(async () => {
    controller.abort(new Error('enough'))
    throw conflict()
  })
  await t.rejects(aborting(1, { signal: controller.signal }), { message: 'enough' })
})
