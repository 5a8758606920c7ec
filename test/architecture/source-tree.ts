import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import ts from 'typescript'

/** What the layer rules need to know of one source file. Paths are relative to the repository, with forward slashes. */
export interface SourceFile {
  readonly path: string
  readonly lines: number
  /** Relative imports, as paths of source files. */
  readonly files: readonly string[]
  /** Imports of npm packages, by package name. */
  readonly packages: readonly string[]
  /** Imports of Node's own modules, without `node:`. */
  readonly builtins: readonly string[]
  /** Uses of the clock, of randomness, of timers and of the process, as `line 12: Date.now`. */
  readonly ambient: readonly string[]
}

/** Reads all TypeScript files below the folders that exist. */
export function readSources(folders: readonly string[]): SourceFile[] {
  return folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
        .map((name) => join(folder, name).replaceAll('\\', '/')),
    )
    .sort()
    .map((path) => readSource(path, readFileSync(path, 'utf8')))
}

/** Parses one source file. */
export function readSource(path: string, text: string): SourceFile {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true)
  const specifiers = new Set<string>()
  const ambient: string[] = []
  const visit = (node: ts.Node): void => {
    const specifier = importedBy(node)
    if (specifier !== undefined) specifiers.add(specifier)
    const use = ambientUse(node)
    if (use !== undefined) {
      ambient.push(`line ${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${use}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)

  const bare = [...specifiers].filter((name) => !name.startsWith('.'))
  return {
    path,
    lines: text.trimEnd().split('\n').length,
    files: [...specifiers]
      .filter((name) => name.startsWith('.'))
      .map((name) => posix.join(posix.dirname(path), name).replace(/\.js$/, '.ts')),
    packages: bare
      .filter((name) => !name.startsWith('node:'))
      .map((name) => name.split('/', name.startsWith('@') ? 2 : 1).join('/')),
    builtins: bare.filter((name) => name.startsWith('node:')).map((name) => name.slice('node:'.length)),
    ambient,
  }
}

function importedBy(node: ts.Node): string | undefined {
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) {
    return (node.moduleSpecifier as ts.StringLiteral).text
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [argument] = node.arguments
    return argument !== undefined && ts.isStringLiteral(argument) ? argument.text : undefined
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal)) {
    return node.argument.literal.text
  }
  return undefined
}

const AMBIENT_CALLS = ['Date.now', 'Math.random', 'performance.now', 'crypto.randomUUID', 'crypto.getRandomValues']
const PURE_CRYPTO = ['crypto.createHash', 'crypto.hash', 'crypto.Hash']
const TIMERS = ['setTimeout', 'setInterval']

function ambientUse(node: ts.Node): string | undefined {
  if (ts.isImportDeclaration(node) && importedBy(node) === 'node:crypto') {
    const bindings = node.importClause?.namedBindings
    if (bindings === undefined || !ts.isNamedImports(bindings)) return 'all of node:crypto'
    return bindings.elements.map(({ name }) => `crypto.${name.text}`).find((name) => !PURE_CRYPTO.includes(name))
  }
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    const name = `${node.expression.text}.${node.name.text}`
    if (AMBIENT_CALLS.includes(name) || node.expression.text === 'process') return name
  }
  if (ts.isNewExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'Date') {
    if (node.arguments === undefined || node.arguments.length === 0) return 'new Date()'
  }
  if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && TIMERS.includes(node.expression.text)) {
    return node.expression.text
  }
  return undefined
}
