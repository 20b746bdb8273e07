import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { Figure } from './main.ts'
import type { Process, Site } from './site.ts'
import { cpuMs, memoryMb } from './usage.ts'
import type { Visitor } from './visitor.ts'

const PEOPLE = 8
const STREAMED_PER_SECOND = 12
const WHOLE_PER_SECOND = 20
const CPU_MS = { streamed: 70, whole: 35 }
const PEAK_MB = 250

/** Pictures of 1.5 MB a second, from the first submission to the last row that says done, thumbnails included. */
export async function pictures(site: Site): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const { words, partials, target, cpuTarget } of [
    { words: 'streamed, two previews', partials: 2, target: STREAMED_PER_SECOND, cpuTarget: CPU_MS.streamed },
    { words: 'not streamed', partials: 0, target: WHOLE_PER_SECOND, cpuTarget: CPU_MS.whole },
  ]) {
    for (const jobs of [8, 32]) {
      const process = await site.run('all', limits(jobs, partials))
      const people = await signInAll(site, process)
      await make(site, people, 16)
      const count = 160
      const before = await cpuMs(process.pid)
      const seconds = await make(site, people, count)
      const cpu = ((await cpuMs(process.pid)) - before) / count
      await process.stop()
      const rate = count / seconds
      figures.push({
        name: `pictures, ${jobs} at once, ${words}`,
        target: `≥ ${target} /s`,
        measured: `${rate.toFixed(1)} /s`,
        met: rate >= target,
        value: rate,
        more: true,
      })
      figures.push({
        name: `CPU a picture, ${jobs} at once, ${words}`,
        target: `≤ ${cpuTarget} ms`,
        measured: `${cpu.toFixed(1)} ms`,
        met: cpu <= cpuTarget,
        value: cpu,
      })
    }
  }
  return figures
}

/** Whether a worker's memory grows with the number of pictures it has made. Linux only. */
export async function memory(site: Site): Promise<Figure[]> {
  const [web, worker] = [await site.run('web'), await site.run('worker', limits(16, 2))]
  const people = await signInAll(site, web)
  const figures: Figure[] = []
  let made = 0
  for (const upTo of [200, 2000]) {
    await make(site, people, upTo - made)
    made = upTo
    const { peak, now } = await memoryMb(worker.pid)
    figures.push({
      name: `worker's memory at its peak, ${upTo} pictures`,
      target: `≤ ${PEAK_MB} MB`,
      measured: `${peak.toFixed(0)} MB (now ${now.toFixed(0)})`,
      met: peak <= PEAK_MB,
      value: peak,
    })
  }
  await Promise.all([web.stop(), worker.stop()])
  return figures
}

function limits(jobs: number, partials: number): Record<string, string> {
  return {
    PLAYGROUND_RUNNING_PER_USER: String(jobs),
    PLAYGROUND_RUNNING_TOTAL: String(jobs),
    PLAYGROUND_WORKER_CONCURRENCY: String(jobs),
    PLAYGROUND_PARTIAL_IMAGES: String(partials),
  }
}

/** Several people: one may start only so many jobs a minute. */
async function signInAll(site: Site, process: Process): Promise<Visitor[]> {
  return Promise.all(Array.from({ length: PEOPLE }, () => site.signIn(process, `painter-${randomUUID()}`)))
}

/** Seconds from the first submission until all are done. */
async function make(site: Site, people: readonly Visitor[], count: number): Promise<number> {
  const started = performance.now()
  const submissions = people.map(async (person, index) => {
    for (let each = index; each < count; each += people.length) {
      const { status } = await person.post('/images', { prompt: `Picture ${each}`, submission: randomUUID() })
      if (status !== 303) throw new Error(`create answered ${status}`)
    }
  })
  await Promise.all(submissions)
  const Left = z.object({ left: z.number(), spoilt: z.number() })
  for (;;) {
    const { left, spoilt } = await site.db.one(
      Left,
      `select count(*) filter (where state in ('queued', 'running')) as left,
         count(*) filter (where state not in ('queued', 'running', 'done')) as spoilt from image_jobs`,
    )
    if (spoilt > 0) throw new Error(`${spoilt} jobs did not end well`)
    if (left === 0) break
    await delay(20)
  }
  return (performance.now() - started) / 1000
}
