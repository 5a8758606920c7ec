import { readFileSync } from 'node:fs'
import t from 'tap'

t.test('every error code has a heading in docs/errors.md, and every such heading a code', (t) => {
  const declared = /export type ErrorCode =((?:\s*\|\s*'ERR_\w+')+)/.exec(readFileSync('engine/errors.ts', 'utf8'))?.[1]
  t.ok(declared, 'the table of codes is found')
  const codes = [...(declared ?? '').matchAll(/'(ERR_\w+)'/g)].map(([, code]) => code)
  const text = readFileSync('docs/errors.md', 'utf8')
  const headings = [...text.matchAll(/^#{2,4} +`?(ERR_\w+)`?/gm)].map(([, code]) => code)

  t.ok(codes.length > 10)
  t.same(
    codes.filter((code) => !headings.includes(code)),
    [],
    'codes without a heading',
  )
  t.same(
    headings.filter((code) => !codes.includes(code)),
    [],
    'headings without a code',
  )
  t.equal(new Set(headings).size, headings.length, 'no heading twice')
  t.same(
    [...text.matchAll(/^(#{2,4}) +`?(ERR_\w+)`?[^\n]*\n+(?=#|(?![\s\S]))/gm)].map(([, , code]) => code),
    [],
    'headings without text',
  )
  t.end()
})
