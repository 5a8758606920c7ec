// Finds what can be covered in a built file: its functions, the sides of its branches, the lines of its statements. It reads what esbuild
// has written and not the sources, since V8 counts there, to the character; the source map says where each stands in TypeScript.
import { SourceMap } from 'node:module'
import ts from 'typescript'

/** A comment with this mark stands in the line above a branch that no test can reach here. What follows the mark is the reason. */
const MARK = /\/\/ Not reached by tests: (\S.*)/

/**
 * Returns `{ branches, lines, marks }` of a built file. A branch is `{ kind, line, column, count, mark }` where `count` takes the function
 * that tells how often the character at an offset was passed; a line is `{ line, count }`, a mark `{ line, reason }`. Lines and columns are
 * those of `source`.
 */
export function findBranches(code, map, source) {
  const tree = ts.createSourceFile('built.js', code, ts.ScriptTarget.ES2022, true, ts.ScriptKind.JS)
  const place = placesOf(code, new SourceMap(map))
  const branches = []
  const lines = new Map()

  const add = (kind, node, count) => {
    const at = place(node.getStart(tree))
    if (at !== undefined) branches.push({ kind, ...at, count })
  }
  const reached = (kind, node) => {
    const offset = node.getStart(tree)
    add(kind, node, (passed) => passed(offset))
  }

  const visit = (node) => {
    if (ts.isFunctionLike(node) && node.body !== undefined) reached('function', node.body)
    if (ts.isIfStatement(node)) {
      const start = node.getStart(tree)
      const then = node.thenStatement.getStart(tree)
      reached('if', node.thenStatement)
      if (node.elseStatement !== undefined) reached('else', node.elseStatement)
      else add('never false', node, (passed) => passed(start) - passed(then))
    }
    if (ts.isConditionalExpression(node)) {
      reached('? side', node.whenTrue)
      reached(': side', node.whenFalse)
    }
    if (ts.isBinaryExpression(node) && LOGICAL.has(node.operatorToken.kind)) {
      reached(`behind ${node.operatorToken.getText(tree)}`, node.right)
    }
    if (ts.isCaseOrDefaultClause(node)) {
      const first = node.statements[0]
      if (first !== undefined) reached(ts.isDefaultClause(node) ? 'default' : 'case', first)
    }
    if (ts.isIterationStatement(node, false)) reached('loop', node.statement)
    if (ts.isCatchClause(node)) reached('catch', node.block)
    if (isCounted(node)) {
      const offset = node.getStart(tree)
      const at = place(offset)
      if (at !== undefined && !lines.has(at.line)) lines.set(at.line, (passed) => passed(offset))
    }
    ts.forEachChild(node, visit)
  }
  visit(tree)

  const marks = marksOf(source)
  for (const branch of branches) branch.mark = marks.find(({ line }) => branch.line === line + 1)
  return { branches, lines: [...lines].map(([line, count]) => ({ line, count })), marks }
}

function marksOf(source) {
  return source.split('\n').flatMap((text, row) => {
    const reason = MARK.exec(text)?.[1]
    return reason === undefined ? [] : [{ line: row + 1, reason }]
  })
}

const LOGICAL = new Set([
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
])

/** Statements have lines; a declaration of a function, which is hoisted, and a block do nothing by themselves. */
function isCounted(node) {
  return ts.isStatement(node) && !ts.isBlock(node) && !ts.isFunctionDeclaration(node) && !ts.isImportDeclaration(node)
}

/** Returns a function from offsets in the built file to places in the source; undefined for what esbuild or a library has added. */
function placesOf(code, map) {
  const starts = [0]
  for (let at = code.indexOf('\n'); at >= 0; at = code.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let row = 0
    for (let high = starts.length - 1; row < high;) {
      const middle = (row + high + 1) >> 1
      if (starts[middle] <= offset) row = middle
      else high = middle - 1
    }
    const entry = map.findEntry(row, offset - starts[row])
    // Without an entry of its own line, the nearest one before says nothing.
    if (entry.originalSource === undefined || entry.generatedLine !== row) return undefined
    if (/node_modules|^[a-z-]+:/.test(entry.originalSource)) return undefined
    return { line: entry.originalLine + 1, column: entry.originalColumn + 1 }
  }
}
