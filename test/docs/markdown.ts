/** A fenced block of a Markdown file. */
export interface CodeBlock {
  readonly file: string
  /** Line of the opening fence, from 1. */
  readonly line: number
  /** First word after the fence, for example `ts`. */
  readonly language: string
  readonly code: string
  /** Why it does not run, from `<!-- not run: reason -->` on the last line before it that is not empty. */
  readonly notRun: string | undefined
}

/** Returns all fenced blocks of a Markdown text, in order. Throws when a fence is never closed. */
export function codeBlocks(file: string, text: string): CodeBlock[] {
  const blocks: CodeBlock[] = []
  let open: { line: number; indent: string; fence: string; language: string; code: string[] } | undefined
  let before = ''
  let reason: string | undefined
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (open === undefined) {
      const [, indent = '', fence, language = ''] = /^(\s*)(`{3,}|~{3,})\s*([\w-]*)/.exec(line) ?? []
      if (fence !== undefined) {
        reason = /^\s*<!-- not run: (\S.*?) -->\s*$/.exec(before)?.[1]
        open = { line: index + 1, indent, fence, language, code: [] }
      } else if (line.trim() !== '') before = line
    } else if (line.trim().startsWith(open.fence) && /^\s*(?:`+|~+)\s*$/.test(line)) {
      blocks.push({ file, line: open.line, language: open.language, code: open.code.join('\n'), notRun: reason })
      before = ''
      open = undefined
    } else {
      open.code.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line)
    }
  }
  if (open !== undefined) throw new Error(`${file}:${open.line}: the fence is never closed`)
  return blocks
}
