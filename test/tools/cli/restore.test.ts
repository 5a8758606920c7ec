import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { InterruptedError } from '../../../tools/cli/exit-codes.js'
import { annals, annalsHere, sampleFolder, untimed } from './run-cli.js'

const LOG = 'log/0000000000000000-0000000001.log'

async function backedUp(t: Parameters<typeof sampleFolder>[0]): Promise<string> {
  const cwd = await sampleFolder(t)
  await annalsHere(['backup', join(cwd, 'data'), join(cwd, 'copy')], cwd)
  return cwd
}

t.test('[L1] a backup becomes a store again, which goes on', async (t) => {
  const cwd = await backedUp(t)
  const { status, stdout, stderr } = annals(['restore', 'copy', 'a/new/folder'], { cwd })
  t.same(
    { status, stdout: untimed(stdout), stderr },
    { status: 0, stdout: 'restored: 7 events; 1 log segment, 1.31 KiB; verified, in 1 ms\n', stderr: '' },
  )
  const text = (await annalsHere(['export', 'data'], cwd)).stdout
  t.equal((await annalsHere(['export', join(cwd, 'a/new/folder')], cwd)).stdout, text)
  t.match(await annalsHere(['append', join(cwd, 'a/new/folder'), 'account-1', 'Closed'], cwd), {
    status: 0,
    stdout: 'appended: account-1@4, position 7\n',
  })
  const json = await annalsHere(['restore', '--json', 'copy', join(cwd, 'again')], cwd)
  t.match(JSON.parse(json.stdout), { what: 'verdict', ok: true, events: 7, segments: 1, verifiedBytes: Number })
  const seen = await annalsHere(['restore', 'copy', join(cwd, 'third')], cwd, { isTerminal: true })
  t.match(seen.stderr, /copy 100%.*verify 100%/s)
})

t.test('what is no backup, is no whole one, or has no room, is refused', async (t) => {
  const cwd = await backedUp(t)
  mkdirSync(join(cwd, 'full'))
  writeFileSync(join(cwd, 'full/letter'), 'mine')
  t.match(await annalsHere(['restore', 'data', join(cwd, 'new')], cwd), { status: 3, stderr: /it is no backup$/m })
  t.match(await annalsHere(['restore', 'nowhere', join(cwd, 'new')], cwd), { status: 3, stderr: /no such folder$/m })
  t.match(await annalsHere(['restore', 'copy', 'full'], cwd), { status: 3, stderr: /it is not empty$/m })
  t.match(await annalsHere(['restore', 'copy', 'data'], cwd), { status: 3, stderr: /it is a store already$/m })
  t.equal(readFileSync(join(cwd, 'full/letter'), 'utf8'), 'mine')
  t.notOk(existsSync(join(cwd, 'new')))
})

t.test('[U3] a damaged backup is told, and makes no store; Ctrl-C ends it, and it can be run again', async (t) => {
  const cwd = await backedUp(t)
  const controller = new AbortController()
  controller.abort(new InterruptedError())
  const stopped = await annalsHere(['restore', 'copy', join(cwd, 'new')], cwd, { signal: controller.signal })
  t.same(stopped, { status: 130, stdout: '', stderr: '' })
  t.match(await annalsHere(['restore', 'copy', join(cwd, 'new')], cwd), { status: 0 })
  const file = join(cwd, 'copy', LOG)
  const bytes = readFileSync(file)
  bytes[bytes.indexOf('Deposited')]! ^= 1
  writeFileSync(file, bytes)
  t.match(await annalsHere(['restore', 'copy', join(cwd, 'other')], cwd), {
    status: 1,
    stdout: '',
    stderr:
      /^annals: Cannot read .*\nRun "annals verify" to see all that is wrong, then "annals repair" \(ERR_CORRUPT\)\.\n$/,
  })
  t.match(await annalsHere(['cat', join(cwd, 'other')], cwd), { status: 3, stdout: '' })
})
