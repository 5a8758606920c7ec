/** Shows a decoded value on one line, much as its literal would be written: `{ sku: "tea", n: 2 }`. Long ones are cut. */
export function sayValue(value: unknown, characters = 400): string {
  const text = say(value, { left: characters })
  return text.length > characters ? `${text.slice(0, characters)}…` : text
}

/** How much room is left: a value of a million elements is not shown to its end to be cut then. */
interface Room {
  left: number
}

function say(value: unknown, room: Room): string {
  const text = sayScalar(value, room) ?? sayContainer(value as object, room)
  return text
}

function sayScalar(value: unknown, room: Room): string | undefined {
  let text: string
  if (typeof value === 'string') text = JSON.stringify(value.length > room.left ? value.slice(0, room.left) : value)
  else if (typeof value === 'bigint') text = `${value}n`
  else if (Object.is(value, -0)) text = '-0'
  else if (value === null || typeof value !== 'object') text = String(value)
  else if (value instanceof Date) text = value.toISOString()
  else if (value instanceof Uint8Array) {
    const shown = Buffer.from(value.subarray(0, 32)).toString('hex')
    text = `<${value.length} bytes${value.length === 0 ? '' : ` ${shown}${value.length > 32 ? '…' : ''}`}>`
  } else return undefined
  room.left -= text.length
  return text
}

function sayContainer(value: object, room: Room): string {
  if (Array.isArray(value)) return list('[', value, (item) => say(item, room), ']', room)
  if (value instanceof Map) {
    return list('Map { ', value, ([key, item]) => `${say(key, room)} => ${say(item, room)}`, ' }', room)
  }
  if (value instanceof Set) return list('Set { ', value, (item) => say(item, room), ' }', room)
  return list('{ ', Object.entries(value), ([key, item]) => `${sayKey(key, room)}: ${say(item, room)}`, ' }', room)
}

function list<Item>(
  open: string,
  items: Iterable<Item>,
  sayItem: (item: Item) => string,
  close: string,
  room: Room,
): string {
  const said: string[] = []
  for (const item of items) {
    if (room.left <= 0) {
      said.push('…')
      break
    }
    room.left -= 2
    said.push(sayItem(item))
  }
  return said.length === 0 ? `${open.trim()}${close.trim()}` : `${open}${said.join(', ')}${close}`
}

function sayKey(key: string, room: Room): string {
  const text = sayName(key)
  room.left -= text.length
  return text
}

/** A key as its literal would be written. */
export function sayName(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key)
}
