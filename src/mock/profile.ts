import { signedIn } from './auth.ts'
import type { Exchange } from './exchange.ts'
import { sendData } from './replies.ts'
import { profileOf } from './user-on-the-wire.ts'

export function profile(exchange: Exchange) {
  sendData(exchange.res, profileOf(signedIn(exchange)))
}
