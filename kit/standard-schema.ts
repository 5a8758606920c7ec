import { isThenable } from './plain-value.js'

/**
 * The interface of schema libraries, version 1, as defined by https://standardschema.dev: zod, valibot and arktype have it. Only
 * types; annals depends on none of them.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type StandardResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] }

/** What is wrong with a value, and where in it. */
export interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** Returns what the schema finds wrong with a value; undefined: nothing. Throws, or rejects, when the schema does. */
export function issuesOf(
  schema: StandardSchema,
  value: unknown,
): readonly StandardIssue[] | undefined | Promise<readonly StandardIssue[] | undefined> {
  const result = schema['~standard'].validate(value)
  return isThenable(result) ? Promise.resolve(result).then(({ issues }) => issues) : result.issues
}

/** Returns where an issue is, below `data`: `data.items[2].price`. */
export function issuePath({ path = [] }: StandardIssue): string {
  const keys = path.map((part) => (typeof part === 'object' ? part.key : part))
  return `data${keys.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')}`
}
