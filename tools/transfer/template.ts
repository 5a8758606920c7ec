import { BadRecordError } from './bad-record.js'

/** Makes a text of the fields of a record. Throws BadRecordError where it lacks one. */
export type Template = (fields: Readonly<Record<string, unknown>>) => string

/** What is wrong with a template. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
}

const PART = /\{\{|\}\}|\{([^{}]+)\}|[{}]/g

/**
 * Reads a template: text as it is, and `{field}` for what a field holds; `{a.b}` for a field of a field, `{{` and `}}` for braces. Throws
 * TemplateError.
 */
export function parseTemplate(text: string): Template {
  const texts: string[] = []
  const paths: string[] = []
  let before = ''
  let from = 0
  for (const match of text.matchAll(PART)) {
    before += text.slice(from, match.index)
    from = match.index + match[0].length
    if (match[0] === '{{' || match[0] === '}}') before += match[0][0]!
    else if (match[1] === undefined) throw new TemplateError('a brace that is text is written twice')
    else {
      texts.push(before)
      paths.push(match[1])
      before = ''
    }
  }
  const rest = before + text.slice(from)
  return (fields) => {
    let made = ''
    for (let i = 0; i < paths.length; i++) made += texts[i]! + textAt(fields, paths[i]!)
    return made + rest
  }
}

/** Returns what stands at a path of fields, `a.b`; a field whose name holds dots is found, too. Throws BadRecordError. */
export function valueAt(fields: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(fields, path)) return fields[path]
  let at: unknown = fields
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) {
      throw new BadRecordError(`it has no field ${path}`)
    }
    at = (at as Record<string, unknown>)[name]
  }
  return at
}

function textAt(fields: Readonly<Record<string, unknown>>, path: string): string {
  const value = valueAt(fields, path)
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw new BadRecordError(`field ${path} is no text`)
}
