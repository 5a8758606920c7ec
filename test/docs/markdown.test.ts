import t from 'tap'
import { codeBlocks } from './markdown.js'

t.test('codeBlocks finds language, line, code and the reason not to run', (t) => {
  const text = [
    '# Title',
    '```ts',
    'const a = 1',
    '',
    '```',
    '<!-- not run: needs a server -->',
    '',
    '```js title',
    'b()',
    '```',
    '  ````sh',
    '  ```',
    '    npm test',
    '  ````',
  ].join('\n')
  t.same(codeBlocks('a.md', text), [
    { file: 'a.md', line: 2, language: 'ts', code: 'const a = 1\n', notRun: undefined },
    { file: 'a.md', line: 8, language: 'js', code: 'b()', notRun: 'needs a server' },
    { file: 'a.md', line: 11, language: 'sh', code: '```\n  npm test', notRun: undefined },
  ])
  t.end()
})

t.test('a reason counts for the next block only, and must be one', (t) => {
  const block = '```ts\na()\n```'
  const reasons = (text: string) => codeBlocks('a.md', text).map(({ notRun }) => notRun)
  t.same(reasons(`<!-- not run: slow -->\n${block}\n${block}`), ['slow', undefined])
  t.same(reasons(`<!-- not run: slow -->\nText between.\n${block}`), [undefined])
  t.same(reasons(`<!-- not run: -->\n${block}`), [undefined])
  t.throws(() => codeBlocks('a.md', '```ts\na()'), /a\.md:1: the fence is never closed/)
  t.end()
})
