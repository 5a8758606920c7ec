/**
 * What recovery makes of the place where the log stops being readable (design D4). The group n + 1 is never written before
 * the sync of group n has returned, and every group says up to which group the log was durable when it was written: so a
 * later group that says this place was durable proves damage, and without such a group what stands here was
 * never acknowledged as durable.
 */

/** What stands where the next group should be. */
export type Found = 'nothing' | 'zeros' | 'invalid'
/** What valid groups behind it say. `silent`: there are some, and none says that this place was durable. */
export type Behind = 'none' | 'silent' | 'durable'
/** What the next segment says about this one: `open` there is none; `reached` it counts up to here; `beyond` further than here. */
export type Successor = 'open' | 'reached' | 'beyond'
/** `end`: all is well. `torn`: never acknowledged, cut in silence. `damaged`: was durable, is reported, never cut. */
export type Verdict = 'end' | 'torn' | 'damaged'

/** Every combination, so that none is decided by chance; `test/engine/recovery/verdict.test.ts` shows each. */
const VERDICTS: Record<Successor, Record<Found, Record<Behind, Verdict>>> = {
  open: {
    nothing: { none: 'end', silent: 'torn', durable: 'damaged' },
    zeros: { none: 'end', silent: 'torn', durable: 'damaged' },
    invalid: { none: 'torn', silent: 'torn', durable: 'damaged' },
  },
  // A writer that took over has read up to here; whatever an older writer wrote behind does not count.
  reached: {
    nothing: { none: 'end', silent: 'end', durable: 'end' },
    zeros: { none: 'end', silent: 'end', durable: 'end' },
    invalid: { none: 'end', silent: 'end', durable: 'end' },
  },
  // The next segment counts on more than is here. Under relaxed durability a power cut may take the end of a segment and
  // spare the next one, which then does not count either; under full durability the evidence says that this was durable.
  beyond: {
    nothing: { none: 'torn', silent: 'torn', durable: 'damaged' },
    zeros: { none: 'torn', silent: 'torn', durable: 'damaged' },
    invalid: { none: 'torn', silent: 'torn', durable: 'damaged' },
  },
}

export function verdictOf(found: Found, behind: Behind, successor: Successor): Verdict {
  return VERDICTS[successor][found][behind]
}
