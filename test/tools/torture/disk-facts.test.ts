import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { diskFacts, mountOf } from '../../../tools/torture/disk-facts.js'
import { judgeSync, measureSync } from '../../../tools/torture/sync-cost.js'

const MOUNTS = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
23 22 0:21 / /tmp rw,nosuid - tmpfs tmpfs rw,size=80k
24 23 8:1 / /tmp/a\\040b rw shared:3 master:1 - xfs /dev/sda1 rw
25 23 0:30 / /tmp/a\\040b ro - nfs4 host:/export rw,vers=4
26 22 254:0 /home /tmpfoo rw - ext4 /dev/vda rw`

t.test('[L2] the mount that a path is on', (t) => {
  t.match(mountOf('/home/x', MOUNTS), { point: '/', type: 'ext4', source: '/dev/vda', device: '254:0' })
  t.equal(mountOf('/home/x', MOUNTS)!.options, 'rw,relatime,discard')
  t.match(mountOf('/tmp', MOUNTS), { point: '/tmp', type: 'tmpfs' })
  t.match(mountOf('/tmp/ab', MOUNTS), { point: '/tmp', type: 'tmpfs' })
  t.match(mountOf('/tmp/a b/c', MOUNTS), { point: '/tmp/a b', type: 'nfs4', source: 'host:/export' }, 'the upper one')
  t.equal(mountOf('/tmp', ''), undefined)
  t.equal(mountOf('/tmp', 'nonsense\n1 2 - \n'), undefined)
  t.end()
})

t.test('[L2] facts of this disk', (t) => {
  const facts = diskFacts(t.testdir())
  t.match(facts.system, new RegExp(`^${process.platform} `))
  t.ok(facts.freeBytes > 0)
  if (process.platform === 'linux') {
    t.type(facts.fileSystem, 'string')
    t.ok(realpathSync(t.testdirName).startsWith(facts.mountPoint!))
  }
  t.end()
})

t.test('[L2] what the time of a sync lets one suspect', (t) => {
  t.equal(judgeSync(0.01, 1.3, 400, 'ext4').verdict, 'plausible')
  t.equal(judgeSync(0.01, 0.21, 400, 'ext4').verdict, 'plausible')
  t.equal(judgeSync(0.01, 0.19, 400, 'ext4').verdict, 'suspicious')
  t.equal(judgeSync(0.02, 0.025, 400, 'ext4').verdict, 'no-effect')
  t.equal(judgeSync(0.01, 1.3, 400, 'tmpfs').verdict, 'in-memory')
  t.equal(judgeSync(0.01, 0.5, 400).perSecond, 2000)
  for (const [write, sync] of [[0.01, 1], [0.01, 0.1], [0.01, 0.01]] as const) t.match(judgeSync(write, sync, 1).words, /power/) // prettier-ignore
  t.end()
})

t.test('[L2] measuring leaves nothing behind and overwrites nothing', async (t) => {
  const path = join(t.testdir({ there: 'mine' }), 'probe')
  const report = await measureSync(path, { fileSystem: undefined })
  t.ok(report.samples > 0 && report.writeMs > 0 && report.syncedMs > 0)
  t.notOk(existsSync(path))
  await t.rejects(measureSync(join(t.testdirName, 'there'), { fileSystem: undefined }), { code: 'EEXIST' })
})
