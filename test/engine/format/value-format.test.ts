import t from 'tap'
import { CorruptionError } from '../../../engine/errors.js'
import { asCorruption, asValueFault, ValueFormatError } from '../../../engine/format/value-format.js'

t.test(
  'wrong bytes of a value become damage of the file they were read from; any other error stays what it is',
  (t) => {
    const fault = new ValueFormatError('an array goes beyond its end', 12)
    t.equal(asValueFault(fault), fault)
    const damage = asCorruption(fault, { file: '/store/log/a.log', byte: 96 })
    t.type(damage, CorruptionError)
    t.match(damage, { code: 'ERR_CORRUPT', file: '/store/log/a.log', byte: 96, reason: fault.message, cause: fault })
    for (const other of [new RangeError('out of memory'), 'thrown', undefined]) {
      for (const take of [asValueFault, (error: unknown) => asCorruption(error, { file: 'f', byte: 0 })]) {
        let thrown: unknown = 'nothing'
        try {
          take(other)
        } catch (error) {
          thrown = error
        }
        t.equal(thrown, other)
      }
    }
    t.end()
  },
)
