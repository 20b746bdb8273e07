import { before, test } from 'node:test'
import { dieAt, longRows, pagesOnly } from './testing/doomed.ts'
import type { TestApp } from './testing/server.ts'

let app: TestApp
before(async () => {
  app = await pagesOnly()
})

for (const [name, row] of Object.entries(longRows)) {
  for (const step of row.steps) {
    test(`${name} whose worker is killed at *${step}* ends as if nothing had happened`, () => dieAt(app, row, step))
  }
}
