import t from 'tap'
import { failureOfSync, failureOfWrite } from '../../../engine/commit-log/write-failure.js'
import { AnnalsError } from '../../../engine/index.js'
import { systemError } from '../../../engine/io/system-error.js'

t.test(
  '[fault 21] [fault 29] a full disk is its own error, everything else that a write reports is ERR_IO',
  async (t) => {
    for (const code of ['ENOSPC', 'EDQUOT', 'EFBIG']) {
      const cause = systemError(code, 'write')
      t.match(failureOfWrite(cause), { code: 'ERR_NO_SPACE', message: new RegExp(code), cause })
    }
    for (const code of ['EIO', 'EACCES', 'EBADF']) {
      t.match(failureOfWrite(systemError(code, 'write')), { code: 'ERR_IO' })
    }
    t.match(failureOfWrite(new TypeError('a bug')), { code: 'ERR_IO', message: /a bug/ })
  },
)

t.test('[fault 24] after a failed sync nobody knows', async (t) => {
  const cause = systemError('EIO', 'fdatasync')
  t.match(failureOfSync(cause), { code: 'ERR_OUTCOME_UNKNOWN', cause, message: /failed \(EIO\)/ })
  t.match(failureOfSync(new TypeError('a bug')), { code: 'ERR_OUTCOME_UNKNOWN', message: /failed \(a bug\)/ })
})

t.test('an error that is already told is not told again', async (t) => {
  const error = new AnnalsError('ERR_LOCK_LOST', 'gone')
  t.equal(failureOfWrite(error), error)
  t.equal(failureOfSync(error), error)
})
