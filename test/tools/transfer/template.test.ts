import t from 'tap'
import { BadRecordError } from '../../../tools/transfer/bad-record.js'
import { parseTemplate, TemplateError } from '../../../tools/transfer/template.js'

t.test('text, fields, fields of fields, braces', (t) => {
  const fields = { a: 'x', n: 7, yes: true, in: { b: { c: 'deep' } }, 'd.e': 'dotted', no: null, list: ['first'] }
  const made = (template: string): string => parseTemplate(template)(fields)
  t.equal(made('plain'), 'plain')
  t.equal(made(''), '')
  t.equal(made('{a}'), 'x')
  t.equal(made('order-{a}-{n}/{yes}'), 'order-x-7/true')
  t.equal(made('{in.b.c}, {d.e}, {list.0}'), 'deep, dotted, first')
  t.equal(made('{{a}} {a}}}'), '{a} x}')
  for (const bad of ['{', '}', '{}', 'a{b', '{a{b}']) t.throws(() => parseTemplate(bad), TemplateError, bad)
  for (const bad of ['{none}', '{a.b}', '{__proto__}', '{constructor}', '{in.toString}']) {
    t.throws(() => made(bad), new BadRecordError(`it has no field ${bad.slice(1, -1)}`))
  }
  for (const bad of ['{in}', '{no}', '{list}']) {
    t.throws(() => made(bad), new BadRecordError(`field ${bad.slice(1, -1)} is no text`))
  }
  t.end()
})
