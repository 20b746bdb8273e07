import type { RequestHandler, Response } from 'express'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import type { SignedIn } from '../session/queries.ts'
import type { Viewer } from '../web/page.ts'
import { pageOf } from '../web/render.ts'
import { opensChosenKey } from './key.ts'
import * as queries from './queries.ts'

/** Puts the signed-in person's name, balance and key where every page can show them. */
export function loadViewer(deps: Pick<Deps, 'db' | 'sealer'>): RequestHandler {
  return async (_req, res, next) => {
    if (res.locals.signedIn) await reloadViewer(deps, res)
    next()
  }
}

/** The account of the person behind this request; null before the first balance or key. */
export function accountOf(res: Response): queries.Account | null {
  return (res.locals.account as queries.Account | undefined) ?? null
}

export async function reloadViewer(deps: Pick<Deps, 'db' | 'sealer'>, res: Response): Promise<void> {
  const who = res.locals.signedIn as SignedIn
  const account = await findUsableAccount(deps, who.userId)
  res.locals.account = account
  pageOf(res).viewer = toViewer(who, account)
}

/** A key that no longer opens counts as none: the person chooses it again. */
export async function findUsableAccount(
  deps: Pick<Deps, 'sealer'> & { db: Db },
  userId: number,
): Promise<queries.Account | null> {
  const account = await queries.findAccount(deps.db, userId)
  if (!account?.keySecret || opensChosenKey(deps, userId, account.keySecret)) return account
  return { ...account, keyId: null, keySecret: null }
}

function toViewer(who: SignedIn, account: queries.Account | null): Viewer {
  return {
    id: who.userId,
    email: who.email,
    name: who.name || who.email,
    isAdmin: who.role === 'admin',
    balance: account?.balance ?? null,
    key: account?.keyId
      ? {
          id: account.keyId,
          name: account.keyName ?? '',
          group: account.keyGroup,
          allowsImages: account.keyAllowsImages ?? false,
        }
      : null,
  }
}
