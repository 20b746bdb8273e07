import { setTimeout as delay } from 'node:timers/promises'
import type { Figure } from './main.ts'
import { median } from './median.ts'
import type { Site } from './site.ts'
import { cpuMs, memoryMb } from './usage.ts'
import { visitor } from './visitor.ts'

const TARGET_MS = 1000
const STARTS = 7
const IDLE_MB = 90

/** From the start of the process until it says that it is ready, on a database that is up to date and on an empty one. */
export async function start(site: Site): Promise<Figure[]> {
  // It may migrate, and leaves what is compiled once.
  await (await site.run('all')).stop()
  const database = (url: string) => ({ DATABASE_URL: url })
  const known = await measure(site, async () => ({}))
  const empty = await measure(site, async () => database(await site.emptyDatabase()))
  return [
    figure('start to ready, median', known.ms, TARGET_MS),
    figure('start to ready, CPU', known.cpu, TARGET_MS),
    figure('start to ready on an empty database, median', empty.ms, TARGET_MS),
    figure('start to ready on an empty database, CPU', empty.cpu, TARGET_MS),
  ]
}

/** What a process takes that does everything, when nobody asks it for anything. Linux only. */
export async function idle(site: Site): Promise<Figure[]> {
  const values: number[] = []
  for (let each = 0; each < 3; each++) {
    const app = await site.run('all')
    await visitor(app.url).get('/login')
    await delay(8_000)
    values.push((await memoryMb(app.pid)).now)
    await app.stop()
  }
  const value = median(values)
  return [
    {
      name: 'memory of a process that does everything, idle',
      target: `≤ ${IDLE_MB} MB`,
      measured: `${value.toFixed(0)} MB`,
      met: value <= IDLE_MB,
      value,
    },
  ]
}

async function measure(site: Site, environment: () => Promise<Record<string, string>>) {
  const [times, cpu]: [number[], number[]] = [[], []]
  for (let each = 0; each < STARTS; each++) {
    const app = await site.run('all', await environment())
    cpu.push(await cpuMs(app.pid))
    times.push(app.readyAfter)
    await app.stop()
  }
  return { ms: median(times), cpu: median(cpu) }
}

function figure(name: string, value: number, target: number): Figure {
  return { name, target: `≤ ${target} ms`, measured: `${value.toFixed(0)} ms`, met: value <= target, value }
}
