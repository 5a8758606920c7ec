/** Why a record of a file cannot be stored. */
export class BadRecordError extends Error {
  override readonly name = 'BadRecordError'
  /** The group it belongs to, where that can be told. */
  readonly group: string | undefined

  constructor(message: string, group?: string) {
    super(message)
    this.group = group
  }
}
