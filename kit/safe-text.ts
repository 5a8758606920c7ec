/**
 * Text that comes out of a store can hold anything: escape sequences that move the cursor or answer for the user, line breaks that
 * forge a line of output, marks that turn the direction of text.
 */

/** C0, DEL, C1, line and paragraph separators, marks of direction, invisible characters, halves of surrogate pairs. */
const UNSAFE =
  // eslint-disable-next-line no-control-regex -- they are what this is about
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu

/** Most text holds none of it, and this is found out several times as fast. */
const PLAIN = /^[ -~]*$/

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\b': '\\b', '\f': '\\f' }

/** Replaces every character that is not printed as itself by its escape, as JSON has it. */
export function escapeUnsafe(text: string): string {
  return PLAIN.test(text) ? text : text.replace(UNSAFE, (match) => SHORT[match] ?? unicode(match))
}

function unicode(text: string): string {
  let escaped = ''
  for (let i = 0; i < text.length; i++) escaped += `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`
  return escaped
}
