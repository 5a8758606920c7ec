/**
 * What is true of every file of a sound store, at any moment, also while it is written to. `verifyStore` checks each of these and
 * says which one a finding breaks; `segments-format.md` quotes them.
 */
export const INVARIANTS = {
  I1: 'Every file begins with a sound header of its kind and of this store, and stands where its header says: base, epoch and stream are those of its name.',
  I2: 'The groups of the log follow each other without a gap, over all segments: each says the byte where it starts, the next sequence, and the count, length and digest of its records.',
  I3: 'Every record is whole: both its lengths agree and its checksum is right; nothing stands between records.',
  I4: 'Positions are dense over the whole log: 0, 1, 2 …, each once.',
  I5: 'A commit is whole: it starts with a record marked first, ends with one marked last, and lies in one group.',
  I6: 'Offsets are dense in every stream, over all its segments: 0, 1, 2 …; a segment starts at its base, and a seal is its last record and names the base of the next.',
  I7: 'A stream segment holds events of its stream only.',
  I8: 'A shape is defined in a file before an event there uses it; an id stands for one list of keys in the whole store; the ids at the end of an event are those it uses, in order of first use.',
  I9: 'Every event decodes: its lengths fit, its texts are UTF-8, metadata and data are one value each, and the pointers to correlation and causation id point at them.',
  I10: 'A stream segment holds the records of the log for its stream, byte by byte, and no others; every event below the settled position of the checkpoint is in one.',
  I11: 'An index is what its segment gives: byte by byte the one that would be built from the records; a key file has the entries of its log segments and no others.',
  I12: 'The checkpoint names a place between two groups of the log the shapes defined before it, and where commit ids and tags begin; a stream table names the place of each event it covers; a record of the watermark is whole.',
  I13: 'Log segments hang together: each names the one before and how much of it counts, and epochs never decrease.',
} as const

/** `I1` … `I13`, the keys of `INVARIANTS`. */
export type Invariant = keyof typeof INVARIANTS
