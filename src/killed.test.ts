import { before, test } from 'node:test'
import { dieAt, longRows, pagesOnly } from './testing/doomed.ts'
import type { TestApp } from './testing/server.ts'
import type { Step } from './work/steps.ts'

let app: TestApp
before(async () => {
  app = await pagesOnly()
})

// The step of each that most could be lost at; all of them are in `killed.long.ts`.
const hardest: [string, Step][] = [
  ['an import', 'filed'],
  ['an export of everything', 'stored'],
  ['a change of thousands', 'part'],
  ['a share of thousands', 'part'],
  ['a departure', 'part'],
]

for (const [name, step] of hardest) {
  test(`${name} whose worker is killed at *${step}* ends as if nothing had happened`, () =>
    dieAt(app, longRows[name]!, step))
}
