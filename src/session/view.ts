/** One signed-in browser of mine. */
export interface SignInView {
  id: string
  /** `Chrome on Windows`, from the user agent. */
  device: string
  address: string
  createdAt: Date
  lastSeenAt: Date
  current: boolean
}

/** How this gateway guards its sign-in form. */
export type Captcha = { kind: 'none' } | { kind: 'turnstile'; siteKey: string } | { kind: 'unsupported' }
