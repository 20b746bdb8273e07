// Usage: npm test [-- [--ci] [--long] [--name PATTERN] [FILE or FOLDER]…]
// Runs the tests named, or all of them. --ci: a file that fails is tried once more and named as flaky when it passes
// then, and a test that was not run counts as failed. --long: what the others hold in small: *.long.ts, and every case of
// those that run some of theirs.
import { globSync, readFileSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { parseArgs } from 'node:util'
import { globalSetup, globalTeardown } from '../src/testing/setup.ts'

const root = path.join(import.meta.dirname, '..')
const usage = 'Usage: npm test [-- [--ci] [--long] [--name PATTERN] [FILE or FOLDER]…]'
/** Milliseconds; alone on two cores the longest takes half a minute. */
const LONGEST_TEST = 5 * 60_000
const SLOWEST = 30
/** Begun first, so that none of them is at work when all others have ended. */
const longest = [
  'walk',
  'screens',
  'walk.firefox',
  'images/worker',
  'images/spill',
  'images/matrix',
  'library/selection',
  'library/lightbox',
  'library/list',
  'chat/browser',
  'typed',
  'spend/settle',
  'images/browser',
  'press',
  'hostile',
  'agents/agents',
  'images/kept',
  'images/crash',
  'agents/skill',
  'imports/imports',
  'departures/departures',
].map(name => `src/${name}.test.ts`)

interface Outcome {
  failed: string[]
  /** Why, and how many tests it kept from running. */
  notRun: Map<string, number>
  /** Files, and the milliseconds they took among the others. */
  slowest: [string, number][]
}

const { ci, name, files } = asked()
const first = await runFiles(files)
const second = ci && first.failed.length > 0 ? await runFiles(first.failed) : first
const flaky = first.failed.filter(file => !second.failed.includes(file))

if (ci) for (const [file, ms] of first.slowest) console.log(`${(ms / 1000).toFixed(0).padStart(4)} s  ${file}`)
// The last lines, where they are looked for.
if (flaky.length > 0) console.log(`flaky, passed when tried again: ${flaky.join(', ')}`)
if (second.failed.length > 0) console.log(`failed: ${second.failed.join(', ')}`)
for (const [why, count] of first.notRun) console.log(`not run: ${count} tests, because ${why}`)
const missed = [...first.notRun.keys()].some(why => !why.endsWith(', and need not be'))
process.exitCode = second.failed.length > 0 || (ci && missed) ? 1 : 0

async function runFiles(names: readonly string[]): Promise<Outcome> {
  const failed = new Set<string>()
  const notRun = new Map<string, number>()
  // Not by the runner, which does it once a process: there may be a second round.
  await globalSetup()
  const tests = run({
    cwd: root,
    files: names.map(file => path.join(root, file)),
    // Half of the time a file waits: for the database, a browser, or a moment to come.
    concurrency: Math.max(4, availableParallelism()),
    timeout: LONGEST_TEST,
    execArgv: ['--import', path.join(root, 'src/testing/ends.ts')],
    ...(name && { testNamePatterns: name }),
  })
  tests.on('test:pass', ({ skip }) => {
    if (skip === undefined) return
    const why = typeof skip === 'string' ? skip : 'they are marked so'
    notRun.set(why, (notRun.get(why) ?? 0) + 1)
  })
  tests.on('test:fail', ({ file }) => {
    if (file) failed.add(path.relative(root, file))
  })
  const begun = new Map<string, number>()
  const took = new Map<string, number>()
  tests.on('test:dequeue', ({ name }) => {
    if (!begun.has(name)) begun.set(name, performance.now())
  })
  // Told at once, where passes and failures wait for the files before them.
  tests.on('test:complete', ({ file }) => {
    const start = file && begun.get(file)
    if (start) took.set(path.relative(root, file), performance.now() - start)
  })
  try {
    await pipeline(tests.compose(spec()), process.stdout, { end: false })
  } finally {
    await globalTeardown()
  }
  const slowest = [...took].sort(([, a], [, b]) => b - a).slice(0, SLOWEST)
  return { failed: [...failed].sort(), notRun, slowest }
}

function asked(): { ci: boolean; name: string | undefined; files: string[] } {
  try {
    const { values, positionals } = parseArgs({
      options: {
        ci: { type: 'boolean', default: false },
        long: { type: 'boolean', default: false },
        name: { type: 'string' },
      },
      allowPositionals: true,
    })
    if (values.long) process.env.TEST_CASES = 'all'
    const places = positionals.length > 0 ? positionals : ['src', 'scripts']
    const files = places.flatMap(place => testsIn(place, values.long ? isLong : isTest))
    if (files.length === 0) throw new Error(`There are no tests in ${places.join(', ')}.`)
    return { ci: values.ci, name: values.name, files: files.toSorted((a, b) => turnOf(a) - turnOf(b)) }
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`)
    process.exit(2)
  }
}

function turnOf(file: string): number {
  const place = longest.indexOf(path.normalize(file))
  return place < 0 ? longest.length : place
}

function testsIn(place: string, belongs: (file: string) => boolean): string[] {
  return statSync(path.join(root, place)).isDirectory()
    ? globSync(`${place}/**/*.ts`, { cwd: root }).filter(belongs).sort()
    : [place]
}

function isTest(file: string): boolean {
  return file.endsWith('.test.ts')
}

function isLong(file: string): boolean {
  return file.endsWith('.long.ts') || (isTest(file) && /\bsomeOf\(/.test(readFileSync(path.join(root, file), 'utf8')))
}
