// Usage: npm run config [-- --json], in the environment of the app
// Prints every variable as it was understood and where it comes from, secrets hidden; changes nothing. Exit code 78, and a
// sentence per mistake, when the app would not start.
import { parseArgs } from 'node:util'
import { describeSettings } from '../src/settings/describe.ts'
import { readSettings } from '../src/settings/read.ts'

const { json } = asked()
const reading = readSettings()
const lines = describeSettings(reading)
if (json) {
  console.log(JSON.stringify({ settings: lines, problems: reading.problems, warnings: reading.warnings }, null, 2))
} else {
  const width = (of: (line: (typeof lines)[number]) => string) => Math.max(...lines.map(line => of(line).length))
  const [names, values] = [
    width(({ name }) => name),
    Math.min(
      48,
      width(({ value }) => value),
    ),
  ]
  for (const { name, value, source } of lines) console.log(`${name.padEnd(names)}  ${value.padEnd(values)}  ${source}`)
  for (const warning of reading.warnings) console.error(`warning: ${warning}`)
  for (const problem of reading.problems) console.error(`mistake: ${problem}`)
}
if (reading.problems.length > 0) process.exitCode = 78

function asked() {
  try {
    return parseArgs({ options: { json: { type: 'boolean', default: false } } }).values
  } catch (error) {
    console.error(`${(error as Error).message}\nUsage: npm run config [-- --json]`)
    process.exit(2)
  }
}
