import js from '@eslint/js'
import tseslint from 'typescript-eslint'

const importRules = {
  'no-duplicate-imports': ['error', { includeExports: false, allowSeparateTypeImports: true }],
  'no-restricted-imports': [
    'error',
    {
      paths: [
        { name: 'graceful-fs', message: 'It replaces functions of node:fs for the whole process.' },
        ...[
          'assert',
          'buffer',
          'child_process',
          'crypto',
          'events',
          'fs',
          'fs/promises',
          'module',
          'os',
          'path',
          'perf_hooks',
          'process',
          'stream',
          'timers/promises',
          'url',
          'util',
          'worker_threads',
          'zlib',
        ].map((name) => ({ name, message: `Write 'node:${name}'.` })),
      ],
    },
  ],
  'no-useless-rename': 'error',
}

const houseRules = {
  curly: ['error', 'multi-line'],
  eqeqeq: 'error',
  'no-console': 'error',
  'no-else-return': 'error',
  'no-eval': 'error',
  'no-param-reassign': 'off',
  'no-var': 'error',
  'object-shorthand': 'error',
  'prefer-const': 'error',
  'prefer-template': 'error',
}

export default tseslint.config(
  { ignores: ['node_modules/', 'build/', 'dist/', '.tap/', '.demo/', '.bench/', 'test/fixtures/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  { rules: { ...importRules, ...houseRules } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      // In a storage engine a promise nobody waits for is data that may be lost.
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: false }],
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // A refusal finds its way out of a value; it becomes an Error, with its costly stack, only at the top.
      '@typescript-eslint/only-throw-error': [
        'error',
        { allow: [{ from: 'file', name: 'Refusal', path: 'engine/format/value-refusal.ts' }] },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // Numbers in messages are what messages are for.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // An index that a loop or a length check has proved is written with `!`.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Methods of an interface are sometimes async only for the promise.
      '@typescript-eslint/require-await': 'off',
      // `return done(error)` is how a callback ends a function.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Exports have names.' },
        { selector: 'TSEnumDeclaration', message: 'A union of strings says the same.' },
      ],
    },
  },
  {
    files: ['engine/**/*.ts', 'kit/**/*.ts', 'adapters/**/*.ts'],
    rules: { 'no-restricted-globals': ['error', 'setTimeout', 'setInterval'] },
  },
  { files: ['engine/io/**/*.ts', 'kit/io/**/*.ts'], rules: { 'no-restricted-globals': 'off' } },
  {
    // The promise of t.test() is for those who want to wait: the parent test waits anyway.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          ignoreVoid: false,
          allowForKnownSafePromises: [{ from: 'package', name: 'PromiseWithSubtest', package: '@tapjs/core' }],
        },
      ],
      '@typescript-eslint/no-extraneous-class': 'off',
      'no-console': 'off',
    },
  },
  { files: ['tools/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: { globals: { console: 'readonly', process: 'readonly', URL: 'readonly', Buffer: 'readonly' } },
    rules: { 'no-console': 'off' },
  },
)
