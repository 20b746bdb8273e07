/** Ends a tool call with one sentence for the model that made it. */
export class Failure extends Error {}

/** No whole answer came. `passing`: another try could help; `arrived`: the server may have acted on the request. */
export class Unreachable extends Failure {
  readonly passing: boolean
  readonly arrived: boolean

  constructor(message: string, { passing, arrived }: { passing: boolean; arrived: boolean }) {
    super(message)
    this.passing = passing
    this.arrived = arrived
  }
}

/** The server answered with an error status. `retryAfter` is in seconds. */
export class Refused extends Failure {
  readonly status: number
  readonly retryAfter: number | null

  constructor(status: number, message: string, retryAfter: number | null) {
    super(retryAfter === null ? message : `${message} (try again in ${retryAfter} s)`)
    this.status = status
    this.retryAfter = retryAfter
  }
}
