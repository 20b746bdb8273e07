import { mkdirSync } from 'node:fs'
import { mkdir, readdir, rm, stat, statfs } from 'node:fs/promises'
import path from 'node:path'
import type { RequestHandler } from 'express'
import type { Deps } from '../deps.ts'
import { refuseInMaintenance } from '../operators/maintenance.ts'
import { Refusal } from '../web/errors.ts'
import { binarySize } from '../web/text.ts'
import { acceptUploads } from '../web/uploads.ts'

const DAY_MS = 86_400_000
/** What other files of this disk keep. */
const SPARE_BYTES = 256 * 1024 ** 2

/** Writes the file of a form into the data directory, as it comes. Throws `Refusal` 413 for one that is too long, 503 without room for it and in maintenance. */
export function receiveZip({ config, db }: Pick<Deps, 'config' | 'db'>): RequestHandler[] {
  const folder = path.join(config.dataDirectory, 'incoming')
  mkdirSync(folder, { recursive: true })
  return [
    async (req, _res, next) => {
      await refuseInMaintenance(db)
      await mkdir(folder, { recursive: true })
      await sweep(folder)
      const { bavail, bsize } = await statfs(folder)
      const needed = Math.min(Number(req.get('Content-Length')) || 0, config.limits.importBytes)
      if (needed + SPARE_BYTES > bavail * bsize) throw new Refusal(503, 'imports.no_space', {}, 60)
      next()
    },
    acceptUploads({
      files: 1,
      bytes: config.limits.importBytes,
      text: 64 * 1024,
      folder,
      tooMuch: () => tooLarge(config),
    }),
  ]
}

export function tooLarge(config: Deps['config']): Refusal {
  return new Refusal(413, 'imports.too_large_file', { limit: binarySize(config.limits.importBytes) })
}

/** What a process that was killed over an upload left here: nobody else looks at the disk of this machine. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const left = path.join(folder, name)
    const found = await stat(left).catch(() => null)
    if (found && Date.now() - found.mtimeMs > DAY_MS) await rm(left, { recursive: true, force: true })
  }
}
