// Usage: npm run bench [-- start|view|create|poll|queue|crowd|chat|long|hostile|pictures|memory|uploads|visible|agents …]
// Measures the app as it is deployed: processes of its own, Postgres on disk, a mock gateway that answers at once. Says
// what was measured, also where it falls short; exits 0 either way.
import { cpus } from 'node:os'
import { agents } from './agents.ts'
import { create, poll } from './answers.ts'
import { chat } from './chat.ts'
import { firstView } from './first-view.ts'
import { hostile } from './hostile.ts'
import { long } from './long.ts'
import { memory, pictures } from './pictures.ts'
import { crowd, queue } from './queue.ts'
import { openSite, type Site } from './site.ts'
import { start } from './start.ts'
import { uploads, visible } from './uploads.ts'

export interface Figure {
  name: string
  target: string
  measured: string
  met: boolean
}

const parts: Record<string, (site: Site) => Promise<Figure[]>> = {
  start,
  view: firstView,
  create,
  poll,
  queue,
  crowd,
  chat,
  long,
  hostile,
  pictures,
  memory,
  uploads,
  visible,
  agents,
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter(name => !(name in parts))
if (unknown.length > 0) {
  process.stderr.write(`There is no ${unknown.join(', ')}. Parts: ${Object.keys(parts).join(', ')}\n`)
  process.exit(2)
}

// By way of `exit`, where the processes it started are killed.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const site = await openSite()
const figures: Figure[] = []
try {
  for (const [name, measure] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    process.stderr.write(`${name} …\n`)
    figures.push(...(await measure(site)))
  }
} finally {
  await site.close()
}
process.stdout.write(`\n${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}\n\n${table(figures)}\n`)

/** A Markdown table, its columns aligned for reading as it is. */
function table(rows: readonly Figure[]): string {
  const cells = [
    ['figure', 'target', 'measured', ''],
    ...rows.map(({ name, target, measured, met }) => [name, target, measured, met ? '✓' : 'short']),
  ]
  const widths = [0, 1, 2, 3].map(column => Math.max(...cells.map(row => row[column]!.length)))
  const lines = cells.map(row => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`)
  return [lines[0], `|${widths.map(width => '-'.repeat(width + 2)).join('|')}|`, ...lines.slice(1)].join('\n')
}
