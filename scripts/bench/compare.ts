import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Figure } from './main.ts'
import { median } from './median.ts'
import { root, type Tree } from './site.ts'
import { table } from './table.ts'

const run = promisify(execFile)

/**
 * Measures this version and the one of a commit in turn, as many rounds, so that a machine that is busy is so for both;
 * answers a table of their medians and what one is of the other.
 */
export async function compare(asked: {
  commit: string
  rounds: number
  profiles: string | undefined
  measure(tree: Tree): Promise<Figure[]>
}): Promise<string> {
  const { commit, rounds, profiles, measure } = asked
  const other = await checkOut(commit)
  const [before, now] = [new Map<string, number[]>(), new Map<string, number[]>()]
  const isMore = new Set<string>()
  try {
    for (let round = 1; round <= rounds; round++) {
      process.stderr.write(`round ${round} of ${rounds}\n`)
      // Who comes first has the colder disk.
      const turns = [
        { tree: { folder: other.folder, profiles }, into: before },
        { tree: { folder: root, profiles }, into: now },
      ]
      for (const { tree, into } of round % 2 === 1 ? turns : turns.toReversed()) {
        for (const { name, value, more } of await measure(tree)) {
          if (value === undefined) continue
          into.set(name, [...(into.get(name) ?? []), value])
          if (more) isMore.add(name)
        }
      }
    }
  } finally {
    await other.remove()
  }
  const rows = [...now].map(([name, values]) => {
    const [old, mine] = [before.get(name), median(values)]
    const ratio = old ? `${(mine / median(old)).toFixed(2)} ×` : '–'
    return [name, old ? median(old).toFixed(2) : '–', mine.toFixed(2), ratio, isMore.has(name) ? 'more' : 'less']
  })
  return table(['figure', commit, 'here', 'here is', 'better is'], rows)
}

/** A worktree of the commit with what it depends on, which is what is here if its lock file says the same. */
async function checkOut(commit: string): Promise<{ folder: string; remove(): Promise<void> }> {
  const parent = await mkdtemp(path.join(tmpdir(), 'playground-against-'))
  const folder = path.join(parent, 'tree')
  const git = (...words: string[]) => run('git', words, { cwd: root })
  const remove = async () => {
    await git('worktree', 'remove', '--force', folder)
    await rm(parent, { recursive: true, force: true })
  }
  await git('worktree', 'add', '--detach', folder, commit)
  try {
    const locks = await Promise.all([root, folder].map(each => readFile(path.join(each, 'package-lock.json'), 'utf8')))
    if (locks[0] === locks[1]) await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
    else await run('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: folder })
  } catch (error) {
    await remove()
    throw error
  }
  return { folder, remove }
}
