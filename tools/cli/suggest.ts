/** Returns the candidate that was probably meant: the nearest, if at most a third of its letters are otherwise. */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Infinity
  for (const candidate of candidates) {
    const prefix = word.length >= 2 && candidate.startsWith(word)
    const distance = prefix ? 0.5 : distanceOf(word, candidate)
    if (distance < least && (prefix || distance <= Math.max(1, Math.ceil(candidate.length / 3)))) {
      best = candidate
      least = distance
    }
  }
  return best
}

/** How many letters must be put in, left out, changed, or swapped with their neighbour (optimal string alignment). */
export function distanceOf(a: string, b: string): number {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      let least = Math.min(previous[j]! + 1, row[j - 1]! + 1, change)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1)
      row.push(least)
    }
    before = previous
    previous = row
  }
  return previous[b.length]!
}
