/** Colours of a terminal, or none. */
export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'magenta' | 'cyan'

const CODES: Readonly<Record<Colour, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
}

/** Paints a text, or leaves it as it is where there is no colour. */
export type Paint = (colour: Colour, text: string) => string

export const plain: Paint = (_, text) => text

export const coloured: Paint = (colour, text) =>
  text === '' ? '' : `\u001b[${CODES[colour][0]}m${text}\u001b[${CODES[colour][1]}m`

export type ColourChoice = 'auto' | 'always' | 'never'

/** NO_COLOR (no-color.org) and a terminal that says it is dumb have no colours; what is asked for on the command line comes first. */
export function wantsColour(choice: ColourChoice, isTerminal: boolean, env: NodeJS.ProcessEnv): boolean {
  if (choice !== 'auto') return choice === 'always'
  return isTerminal && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
}
