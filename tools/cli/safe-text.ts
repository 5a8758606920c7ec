import { escapeUnsafe } from '../../kit/safe-text.js'

/**
 * Text that comes out of a store can hold anything: escape sequences that move the cursor or answer for the user, line breaks that
 * forge a line of output, marks that turn the direction of text. None of it reaches a terminal, nor a pipe that may lead to one.
 */

export { escapeUnsafe }

/** Names and types: as they are where that is one plain word, in quotes otherwise. Two different names never look the same. */
export function showName(name: string): string {
  return /[\s"\\]/.test(name) || name === '' || escapeUnsafe(name) !== name ? quoted(name) : name
}

/** A JSON string that a terminal can be given. */
export function quoted(text: string): string {
  return escapeUnsafe(JSON.stringify(text))
}

/** JSON on one line that a terminal can be given; the same value as without the escapes. */
export function safeJson(value: unknown): string {
  return escapeUnsafe(JSON.stringify(value))
}

/** Cuts a text to so many characters and says that it did. */
export function shortened(text: string, characters: number): string {
  const all = Array.from(text)
  return all.length <= characters ? text : `${all.slice(0, Math.max(0, characters - 1)).join('')}…`
}
