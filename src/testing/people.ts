import assert from 'node:assert/strict'
import type { Browser } from './browser.ts'
import type { TestApp } from './server.ts'

/** Somebody signed in, with a key chosen. */
export interface Person extends Browser {
  email: string
}

let number = 0

/** Alice owns what the test is about. A new Alice each time, so that tests do not meet. */
export function alice(app: TestApp): Promise<Person> {
  return signedIn(app, `alice${++number}@example.com`)
}

/** Charlie has an account too, and no business with what is Alice's. */
export function charlie(app: TestApp): Promise<Person> {
  return signedIn(app, `charlie${++number}@example.com`)
}

/** With so many US dollars that nothing has to wait for the balance, however much is made. */
export async function rich(app: TestApp, person: Person): Promise<Person> {
  app.mock.control.user(person.email, { balance: 1000 })
  await person.post('/account/balance')
  return person
}

/** Signs in with a password of its own kind and chooses the first usable key, if there is one. */
export async function signedIn(app: TestApp, email: string, browser: Browser = app.browser()): Promise<Person> {
  const answer = await browser.post('/login', { email, password: `password of ${email}` })
  assert.equal(answer.status, 303, `${email} could not sign in: ${answer.text.slice(0, 500)}`)
  const account = await browser.get('/account')
  const key = account.html.querySelector('form[action="/account/key"] [name="key_id"]')?.getAttribute('value')
  if (key) assert.equal((await browser.post('/account/key', { key_id: key })).status, 303)
  return Object.assign(browser, { email })
}
