/**
 * Every bit of the files of a store of more than 16 KiB flipped, one at a time: 131,072 cases and some. Opening and reading end,
 * nothing wrong is served, and a shortfall is told. Each is read for what its file is read for; one bit of every second byte is
 * read with everything there is, and `verify` finds it. Of key files, which are zeros for the most part, and of a store that a
 * kill has left only some bits are taken. With ANNALS_CRASH_FULL=1 all of that for each bit of all.
 */
import t from 'tap'
import { FULL } from '../support/crash-scale.js'
import {
  changed,
  hostileStore,
  largestAllocation,
  readHostile,
  STORE,
  verifyHostile,
} from '../support/hostile-store.js'

t.setTimeout(3_600_000)

/** Nothing that these stores hold needs more at once. */
const MOST_BYTES = 1024 * 1024

for (const closed of [true, false]) {
  const what = closed ? 'every bit of a store that was closed' : 'a bit of every fourth byte that a kill has left'
  t.test(`[fault 39] [U3] ${what} flipped: never served`, async (t) => {
    const truth = await hostileStore({ closed })
    t.match(await readHostile(truth, truth.image), { whole: true, told: false })
    const before = await verifyHostile(truth.image)
    if (closed) t.same(before, [])
    else t.same(typeof before === 'string' ? before : before.filter(({ severity }) => severity === 'damage'), [])
    const wrong: string[] = []
    let cases = 0
    let refused = 0
    let lastCase = -1
    // What goes round in circles within one turn of the event loop is ended by the time limit of the test.
    // Also a turn now and then, in which memory comes back.
    const watch = setInterval(() => {
      if (cases === lastCase) t.fail(`hangs in case ${cases}`)
      lastCase = cases
    }, 60_000)
    const largest = await largestAllocation(async () => {
      for (const [path, bytes] of truth.image.files) {
        const ofStream = path.startsWith(`${STORE}/streams/`)
        const flipped = Buffer.from(bytes)
        const image = changed(truth.image, { [path]: flipped })
        const sampled = !FULL && (!closed || path.endsWith('.key'))
        for (let at = 0; at < bytes.length; at += sampled ? 4 : 1) {
          for (const bit of sampled ? [(at >> 2) % 8] : [0, 1, 2, 3, 4, 5, 6, 7]) {
            if (++cases % 64 === 0) await new Promise((resolve) => setImmediate(resolve))
            const all = FULL || sampled || (at % 2 === 0 && bit === (at >> 1) % 8)
            flipped[at] = bytes[at]! ^ (1 << bit)
            try {
              const outcome = await readHostile(truth, image, all ? {} : { log: !ofStream, streams: ofStream })
              if (outcome.refused !== undefined) refused++
              if (closed && ofStream && outcome.short.some((stream) => !holds(path, stream))) {
                throw new Error(`damage of another stream harms ${outcome.short.join()}`)
              }
              // Without a close the end of the log may be torn, which is no news.
              const findings = all && closed ? await verifyHostile(image) : 'not asked'
              if (typeof findings !== 'string' && !findings.some(({ file }) => file === path)) {
                throw new Error(`verify finds ${JSON.stringify(findings)}`)
              }
            } catch (error) {
              wrong.push(`${path}, byte ${at}, bit ${bit}: ${(error as Error).stack}`)
            }
          }
          flipped[at] = bytes[at]!
        }
      }
    })
    clearInterval(watch)
    t.comment(`${cases} cases, ${refused} refused at opening, largest allocation ${largest} bytes`)
    t.same(wrong.slice(0, 4), [], `${wrong.length} of ${cases} cases went wrong`)
    t.ok(!closed || cases >= 131_072, `${cases} cases`)
    t.ok(largest <= MOST_BYTES, `${largest} bytes at once`)
  })
}

/** Whether the file of a segment is of a stream of these stores. */
function holds(path: string, stream: string): boolean {
  return path.includes(`/${stream === 'B/b' ? '%42%2fb' : stream}@`)
}
