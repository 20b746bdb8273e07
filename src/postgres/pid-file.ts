import { readFile, readlink } from 'node:fs/promises'
import path from 'node:path'
import type { Site } from './embedded-site.ts'

export interface PidFile {
  pid: number
  socketDirectory: string
  ready: boolean
}

/** `postmaster.pid`; its lines are the LOCK_FILE_LINE_* constants of Postgres' miscadmin.h. */
export async function readPidFile(site: Site): Promise<PidFile | null> {
  const text = await readFile(path.join(site.data, 'postmaster.pid'), 'utf8').catch(() => '')
  const [pid, , , , socketDirectory, , , status] = text.split('\n')
  if (!pid) return null
  return { pid: Number(pid), socketDirectory: socketDirectory || site.run, ready: status?.trim() === 'ready' }
}

/** Whether the process is a server on our data, or the remains of one; after a crash the pid may be a stranger's. */
export async function isServing(site: Site, pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  if (process.platform !== 'linux') return true
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => null)
  if (cwd !== null) return cwd === site.data
  return (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim() === 'postgres' // a zombie has no cwd
}
