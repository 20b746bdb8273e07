import pg from 'pg'

/** The server cannot be reached, is starting or stopping, has no connection left, or went away under a statement. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable'

  constructor(cause: unknown) {
    super(`the database is unavailable: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

// Postgres manual, appendix A: class 08 connection exceptions, 57P01-57P04 shutdown and start-up, 53300 too many
// connections, 25P03 idle-in-transaction timeout, which ends the session.
const LOST_SQLSTATE = /^(08...|57P0[1-4]|53300|25P03)$/
const LOST_ERRNO = /^(ECONN\w+|EPIPE|ETIMEDOUT|ENOENT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)$/
const LOST_MESSAGE =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|Query read timeout)/

/** By what the driver throws. */
export function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return LOST_SQLSTATE.test(code) || LOST_ERRNO.test(code) || LOST_MESSAGE.test(error.message)
}

// Data exceptions, broken constraints, and what is too long or too deep for the server.
const REFUSED_SQLSTATE = /^(22|23|54)...$/

/** Whether the server answered, and would not take a value: asked again with the same, it would refuse again. */
export function isValueRefused(error: unknown): boolean {
  return error instanceof pg.DatabaseError && REFUSED_SQLSTATE.test(error.code ?? '')
}
