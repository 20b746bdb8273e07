// Usage: npm run bench [-- [--against COMMIT [--rounds N]] [--profile] PART …]
// Measures the app as it is deployed: processes of its own, Postgres on disk, a mock gateway that answers at once. Says
// what was measured, also where it falls short; exits 0 either way. --against measures another version too, in turn with
// this one, by the same driver, and prints ratios. --profile leaves a CPU profile of each process.
import { cpus } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { agents } from './agents.ts'
import { create, poll } from './answers.ts'
import { caps } from './caps.ts'
import { chat } from './chat.ts'
import { compare } from './compare.ts'
import { download } from './download.ts'
import { firstView } from './first-view.ts'
import { gallery } from './gallery.ts'
import { hostile } from './hostile.ts'
import { howLong } from './howlong.ts'
import { library } from './library.ts'
import { lightbox } from './lightbox.ts'
import { load } from './load.ts'
import { long } from './long.ts'
import { moving } from './moving.ts'
import { memory, pictures } from './pictures.ts'
import { proxy } from './proxy.ts'
import { crowd, queue } from './queue.ts'
import { requests } from './requests.ts'
import { openSite, root, type Site, type Tree } from './site.ts'
import { spend } from './spend.ts'
import { idle, start } from './start.ts'
import { table } from './table.ts'
import { uploads, visible } from './uploads.ts'
import { zip } from './zip.ts'

export interface Figure {
  name: string
  target: string
  measured: string
  met: boolean
  /** What two versions are compared by: the less the better, or the `more`. */
  value?: number
  more?: boolean
}

const parts: Record<string, (site: Site) => Promise<Figure[]>> = {
  start,
  idle,
  requests,
  library,
  spend,
  gallery,
  zip,
  lightbox,
  view: firstView,
  create,
  poll,
  download,
  queue,
  crowd,
  howlong: howLong,
  chat,
  long,
  hostile,
  pictures,
  memory,
  load,
  uploads,
  proxy,
  moving,
  visible,
  agents,
  caps,
}

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    against: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    profile: { type: 'boolean', default: false },
  },
})
const unknown = wanted.filter(name => !(name in parts))
if (unknown.length > 0) {
  process.stderr.write(`There is no ${unknown.join(', ')}. Parts: ${Object.keys(parts).join(', ')}\n`)
  process.exit(2)
}

// By way of `exit`, where the processes it started are killed.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const profiles = options.profile ? path.resolve('.cache/profiles') : undefined
const answer = options.against
  ? await compare({ commit: options.against, rounds: Number(options.rounds), profiles, measure })
  : table(['figure', 'target', 'measured', ''], (await measure({ folder: root, profiles })).map(asRow))
process.stdout.write(`\n${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}\n\n${answer}\n`)
if (profiles) process.stdout.write(`\nCPU profiles, for a browser's developer tools: ${profiles}\n`)

/** The parts that are wanted, or all, one after the other. Where two versions are compared, one may lack what a part needs. */
async function measure(tree: Tree): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const [name, part] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    process.stderr.write(`${name} …\n`)
    const site = await openSite(tree)
    try {
      figures.push(...(await part(site)))
    } catch (error) {
      if (!options.against) throw error
      process.stderr.write(`${name} cannot be measured in ${tree.folder}: ${String(error)}\n`)
    } finally {
      await site.close()
    }
  }
  return figures
}

function asRow({ name, target, measured, met }: Figure): string[] {
  return [name, target, measured, met ? '✓' : 'short']
}
