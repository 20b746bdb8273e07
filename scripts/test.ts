// Usage: npm test [-- [--ci] [--name PATTERN] [FILE or FOLDER]…]
// Runs the tests named, or all of them. --ci: a file that fails is tried once more and named as flaky when it passes
// then, and a test that was not run counts as failed.
import { globSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { parseArgs } from 'node:util'
import { globalSetup, globalTeardown } from '../src/testing/setup.ts'

const root = path.join(import.meta.dirname, '..')
const usage = 'Usage: npm test [-- [--ci] [--name PATTERN] [FILE or FOLDER]…]'

interface Outcome {
  failed: string[]
  /** Why, and how many tests it kept from running. */
  notRun: Map<string, number>
}

const { ci, name, files } = asked()
const first = await runFiles(files)
const second = ci && first.failed.length > 0 ? await runFiles(first.failed) : first
const flaky = first.failed.filter(file => !second.failed.includes(file))

// The last lines, where they are looked for.
if (flaky.length > 0) console.log(`flaky, passed when tried again: ${flaky.join(', ')}`)
if (second.failed.length > 0) console.log(`failed: ${second.failed.join(', ')}`)
for (const [why, count] of first.notRun) console.log(`not run: ${count} tests, because ${why}`)
process.exitCode = second.failed.length > 0 || (ci && first.notRun.size > 0) ? 1 : 0

async function runFiles(names: readonly string[]): Promise<Outcome> {
  const failed = new Set<string>()
  const notRun = new Map<string, number>()
  // Not by the runner, which does it once a process: there may be a second round.
  await globalSetup()
  const tests = run({
    cwd: root,
    files: names.map(file => path.join(root, file)),
    // One waits for the database or a browser while the other works.
    concurrency: Math.max(2, availableParallelism() - 1),
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
  try {
    await pipeline(tests.compose(spec()), process.stdout, { end: false })
  } finally {
    await globalTeardown()
  }
  return { failed: [...failed].sort(), notRun }
}

function asked(): { ci: boolean; name: string | undefined; files: string[] } {
  try {
    const { values, positionals } = parseArgs({
      options: { ci: { type: 'boolean', default: false }, name: { type: 'string' } },
      allowPositionals: true,
    })
    const files = (positionals.length > 0 ? positionals : ['src']).flatMap(testsIn)
    return { ci: values.ci, name: values.name, files: files.toSorted() }
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`)
    process.exit(2)
  }
}

function testsIn(place: string): string[] {
  const found = statSync(path.join(root, place)).isDirectory()
    ? globSync(`${place}/**/*.test.ts`, { cwd: root })
    : [place]
  if (found.length === 0) throw new Error(`There are no tests in ${place}.`)
  return found
}
