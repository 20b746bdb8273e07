import type { RequestHandler, Response } from 'express'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import type { SignedIn } from '../session/queries.ts'
import { visitOf } from '../session/store.ts'
import type { Translate } from '../web/i18n.ts'
import type { Viewer } from '../web/page.ts'
import { pageOf } from '../web/render.ts'
import { opensChosenKey } from './key.ts'
import * as queries from './queries.ts'

/** Puts the signed-in person's name, balance and key where every page can show them. */
export function loadViewer(deps: Pick<Deps, 'db' | 'sealer'>): RequestHandler {
  return (req, res, next) => {
    const visit = visitOf(req)
    // Only when it is looked at: a poll or a file has no use for it.
    if (res.locals.signedIn && visit) showViewer(res, () => usable(deps, queries.readAccount(visit.row)))
    next()
  }
}

/** The account of the person behind this request; null before the first balance or key. */
export function accountOf(res: Response): queries.Account | null {
  return (res.locals.account as (() => queries.Account | null) | undefined)?.() ?? null
}

/** For whom a page is made. */
export interface Reader {
  userId: number
  account: queries.Account | null
  t: Translate
}

/** Only behind `requireSignIn`. */
export function readerOf(res: Response): Reader {
  return { userId: signedIn(res).userId, account: accountOf(res), t: pageOf(res).t }
}

export async function reloadViewer(deps: Pick<Deps, 'db' | 'sealer'>, res: Response): Promise<void> {
  const account = await findUsableAccount(deps, (res.locals.signedIn as SignedIn).userId)
  showViewer(res, () => account)
}

export async function findUsableAccount(
  deps: Pick<Deps, 'sealer'> & { db: Db },
  userId: number,
): Promise<queries.Account | null> {
  return usable(deps, await queries.findAccount(deps.db, userId))
}

/** A key that no longer opens counts as none: the person chooses it again. */
function usable(deps: Pick<Deps, 'sealer'>, account: queries.Account | null): queries.Account | null {
  if (!account?.keySecret || opensChosenKey(deps, account.userId, account.keySecret)) return account
  return { ...account, keyId: null, keySecret: null }
}

function showViewer(res: Response, find: () => queries.Account | null): void {
  let account: queries.Account | null | undefined
  const who = res.locals.signedIn as SignedIn
  const page = pageOf(res)
  res.locals.account = () => {
    if (account === undefined) account = find()
    return account
  }
  const describe = (viewer: PropertyDescriptor) =>
    Object.defineProperty(page, 'viewer', { ...viewer, enumerable: true, configurable: true })
  describe({ get: () => toViewer(who, accountOf(res)), set: (value: Viewer | null) => describe({ value }) })
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
    budgetNotice: account?.budgetNotice && account.budgetNotice.until > new Date() ? account.budgetNotice : null,
  }
}
