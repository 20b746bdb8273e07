// Usage: npm run torture -- [--seed N] [--minutes M] [--points P] [--steps S]
// People, scripts, batches and chats at random, on processes that are killed, frozen, cut off and set to another time, with
// a gateway that is slow, lies and dies. At each quiet point it is checked that nothing was paid twice, lost, stuck or
// shown to somebody else. The same seed does the same things in the same order. It ends after so many minutes or quiet
// points, of so many steps each, or when something is wrong.
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Emitted } from '../../src/testing/leaks.ts'
import { check, evidence } from './check.ts'
import { disasters } from './disasters.ts'
import { type Actor, emailOf, openActor } from './people.ts'
import { type Random, seeded } from './random.ts'
import { openTorn } from './site.ts'

const NAMES = ['ada', 'bo', 'cem']
const KEPT = 4000

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    minutes: { type: 'string', default: '1' },
    points: { type: 'string', default: '1000000' },
    steps: { type: 'string', default: '60' },
  },
})
const seed = Number(values.seed ?? Date.now() % 1_000_000)
const end = performance.now() + Number(values.minutes) * 60_000
console.log(`seed ${seed}, ${values.minutes} minutes`)

const random = seeded(seed)
const torn = await openTorn(emailOf(NAMES[0]!))
const seen: Emitted[] = []
const under = new Set<Promise<void>>()
const repairs: (() => Promise<void> | void)[] = []
let wrong: string[] = []
let points = 0
const found: string[] = []
try {
  // All at once: one of them brings the old schema up, and the others wait.
  await Promise.all(torn.members.map(member => torn.start(member)))
  const actors: Actor[] = []
  for (const name of NAMES) actors.push(await openActor(torn, name, seen))
  while (wrong.length === 0 && points < Number(values.points) && performance.now() < end) {
    const happened: string[] = []
    for (let step = 0; step < Number(values.steps); step++) {
      const dice = random.below(10)
      if (dice < 2) happened.push(await strike())
      else if (dice < 4) await mendOne()
      else act(random.pick(actors))
      await delay(random.below(150))
    }
    while (repairs.length > 0) await mendOne()
    torn.mock.control.clearFaults()
    for (const member of torn.members) if (!member.child) await torn.start(member)
    await Promise.all(under)
    wrong = await check(torn, actors, seen)
    if (wrong.length > 0) found.push(...(await evidence(torn)))
    points++
    console.log(`quiet point ${points}: ${wrong.length === 0 ? 'all well' : 'not well'} after ${tally(happened)}`)
    seen.splice(0, Math.max(0, seen.length - KEPT))
  }
} finally {
  await torn.close()
}
for (const sentence of wrong) console.log(`- ${sentence}`)
if (wrong.length > 0) {
  const file = path.join(tmpdir(), `torture-${seed}.log`)
  writeFileSync(file, [...torn.logs, ...found].join('\n'))
  console.log(`seed ${seed} found something; what the processes said, and their rows, are in ${file}`)
} else console.log(`${points} quiet points, all well`)
process.exit(wrong.length === 0 ? 0 : 1)

function act(actor: Actor): void {
  // Whether it is answered is not what is judged; what becomes of it is.
  const deed: Promise<void> = actor
    .act(own())
    .catch(() => undefined)
    .finally(() => under.delete(deed))
  under.add(deed)
}

/** What comes later is not moved by how long this takes. */
function own(): Random {
  return seeded(random.below(2 ** 32))
}

async function strike(): Promise<string> {
  const name = random.pick(Object.keys(disasters))
  const repair = await disasters[name]!(torn, own())
  if (repair) repairs.push(repair)
  return name
}

async function mendOne(): Promise<void> {
  await repairs.shift()?.()
}

function tally(names: readonly string[]): string {
  const counts = Map.groupBy(names, name => name)
  return [...counts].map(([name, all]) => `${all.length} ${name}`).join(', ') || 'nothing'
}
