export type StorageOperation = 'put' | 'open' | 'head' | 'read' | 'delete' | 'ready' | 'sweep' | 'list'

/** The medium failed: disk full, store unreachable, access denied, timeout. `cause` is what it said. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly operation: StorageOperation

  constructor(operation: StorageOperation, options: { cause: unknown }) {
    super(`storage: ${operation} failed`, options)
    this.operation = operation
  }
}

/** Does `work` and turns whatever it throws into a StorageError. */
export async function guarded<T>(operation: StorageOperation, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new StorageError(operation, { cause })
  }
}
