import { readdir, readFile } from 'node:fs/promises'

// Clock ticks in which `/proc` counts: 100 a second on every Linux that Node runs on.
const TICK_MS = 10

/** CPU time that a process and those it started have taken, in ms; also of those that have ended. Linux only. */
export async function cpuMs(pid: number): Promise<number> {
  const ticks = await ofTree(pid, async id => {
    // utime, stime and, of children that have ended, cutime, cstime: fields 14 to 17 of proc(5).
    const fields = await statOf(id)
    return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  })
  return ticks * TICK_MS
}

/** Memory of a process and those it started, in MB: now, and the most that each has had. Linux only. */
export async function memoryMb(pid: number): Promise<{ now: number; peak: number }> {
  const read = (name: string) => async (id: number) => {
    const status = await readFile(`/proc/${id}/status`, 'utf8')
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
  }
  return { now: await ofTree(pid, read('VmRSS')), peak: await ofTree(pid, read('VmHWM')) }
}

async function ofTree(pid: number, measure: (pid: number) => Promise<number>): Promise<number> {
  const parents = new Map<number, number>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = await statOf(Number(name)).catch(() => [])
    parents.set(Number(name), Number(fields[1]))
  }
  let sum = await measure(pid)
  const within = new Set([pid])
  // A child may stand before its parent.
  for (let grown = true; grown; ) {
    grown = false
    for (const [id, parent] of parents) {
      if (within.has(id) || !within.has(parent)) continue
      within.add(id)
      grown = true
      sum += await measure(id).catch(() => 0)
    }
  }
  return sum
}

/** From the third field on: the second is a name, which may hold spaces. */
async function statOf(pid: number): Promise<string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}
