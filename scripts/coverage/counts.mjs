// Reads the counts of one script as V8 writes them: functions with ranges, each in another or beside it, where the innermost counts.

/** Returns the function that tells how often the character at an offset was passed. */
export function countsOf(functions) {
  const ranges = functions.flatMap((each) => each.ranges)
  // Outer ranges before inner ones; of two that are alike the later one is the inner.
  const order = ranges
    .map((range, index) => ({ ...range, index }))
    .sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset || a.index - b.index)
  // Borders, and the count from each to the next.
  const borders = []
  const counts = []
  const open = []
  const set = (at, count) => {
    if (borders.at(-1) === at) counts[counts.length - 1] = count
    else {
      borders.push(at)
      counts.push(count)
    }
  }
  const closeUpTo = (at) => {
    while (open.length > 0 && open.at(-1).endOffset <= at) {
      const { endOffset } = open.pop()
      set(endOffset, open.at(-1)?.count ?? 0)
    }
  }
  for (const range of order) {
    closeUpTo(range.startOffset)
    open.push(range)
    set(range.startOffset, range.count)
  }
  closeUpTo(Infinity)

  return (offset) => {
    let low = -1
    for (let high = borders.length - 1; low < high;) {
      const middle = (low + high + 1) >> 1
      if (borders[middle] <= offset) low = middle
      else high = middle - 1
    }
    return low < 0 ? 0 : counts[low]
  }
}
