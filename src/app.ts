import compression from 'compression'
import express, { type Express, type RequestHandler, Router } from 'express'
import session from 'express-session'
import { accountOfVisit } from './account/queries.ts'
import { accountRoutes, rememberSignIn } from './account/routes.ts'
import { loadViewer } from './account/viewer.ts'
import type { Deps } from './deps.ts'
import { operatorNotes } from './images/silent-edits.ts'
import { resizingOrigins } from './library/resized.ts'
import { searchNotes } from './library/search-probe.ts'
import { openBulletin } from './operators/bulletin.ts'
import { announcementRoutes, tellBulletin } from './operators/routes.ts'
import { opsRoutes } from './ops/routes.ts'
import { proxyRoutes } from './proxy/routes.ts'
import { identify, whenSignedOut } from './session/guard.ts'
import { takeHanded } from './session/handed.ts'
import { showKeptForm } from './session/kept-form.ts'
import { visits } from './session/queries.ts'
import { sessionRoutes } from './session/routes.ts'
import { hadSession, newSessionId, saveBeforeRedirects, sessionCookie } from './session/session-data.ts'
import { SessionStore } from './session/store.ts'
import { lookAtAllOf } from './spend/settle-queries.ts'
import { errorHandler, notFound } from './web/errors.ts'
import { createEventStreams } from './web/event-stream.ts'
import type { Translate } from './web/i18n.ts'
import { acceptForm, readQuery, refuseNul } from './web/input.ts'
import { checkOrigin } from './web/origin.ts'
import { pageOfRequest, preferenceRoutes } from './web/preferences.ts'
import { requestLog } from './web/request-log.ts'
import { room } from './web/rooms.ts'
import { securityHeaders } from './web/security.ts'

const SESSION_MS = 30 * 86_400_000

interface App {
  handler: Express
  /** From now on `/ready` says no, so that a balancer stops sending. */
  drain(): void
  close(): void
}

/** The corridor: what every request passes, in this order, and the doors along it. */
export function createApp(deps: Deps): App {
  const { config, log } = deps
  const cookie = sessionCookie(config)
  const https = cookie.attributes.secure
  const findVisit = visits(accountOfVisit)
  const sessions = new SessionStore(deps.db, log, sid => findVisit(deps.db, sid))
  const streams = createEventStreams(config.streams, deps.metrics.streams)
  let draining = false

  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('trust proxy', config.trustedProxies)
  app.set('query parser', readQuery)

  app.use(requestLog(deps))
  app.use(
    opsRoutes(
      deps,
      () => draining,
      async () => [...(await operatorNotes(deps.db)), ...(await searchNotes(deps.db))],
    ),
  )
  if (config.role !== 'worker') app.use(website())
  app.use(notFound)
  app.use(whenSignedOut(deps))
  app.use(errorHandler(log))

  function website(): Router {
    const web = Router()
    web.use(securityHeaders({ https, pictures: resizingOrigins(config), embedOrigin: config.embedOrigin }))
    if (config.proxy) web.use(proxyRoutes(deps))
    web.use(takeHanded)
    web.use(deps.staticFiles.handler)
    web.use(refuseNul)
    web.use(
      '/api/playground',
      room('', async () => (await import('./agents/api.ts')).agentApi(deps)),
    )
    web.use(room('/images/tiles', async () => (await import('./images/unchanged.ts')).unchangedTiles(deps)))
    web.use(compression({ filter: (req, res) => !req.path.startsWith('/files/') && compression.filter(req, res) }))
    web.use(pageOfRequest(deps))
    web.use(checkOrigin(config.publicOrigin))
    web.use(sessionOfRequest())
    web.use(saveBeforeRedirects)
    web.use(identify(deps))
    web.use(acceptForm((req, res) => res.locals.signedIn !== undefined || hadSession(req)))
    web.use(showKeptForm())
    web.use(
      '/api/playground',
      room('', async () => (await import('./agents/assets.ts')).assetRoutes(deps)),
    )
    web.use(loadViewer(deps))
    const bulletin = openBulletin(deps)
    web.use(tellBulletin(deps, bulletin))
    web.use(preferenceRoutes(config))
    web.use(announcementRoutes(deps))
    web.use(
      sessionRoutes(deps, async (session, ...from) => {
        await rememberSignIn(deps)(session, ...from)
        await lookAtAllOf(deps.db, session.user.id)
      }),
    )
    web.use(room('/account/delete', async () => (await import('./departures/routes.ts')).departureRoutes(deps)))
    web.use(accountRoutes(deps))
    web.use(room('/palette', async () => (await import('./palette/routes.ts')).paletteRoutes(deps)))
    web.use(room('/spend/budgets', async () => (await import('./spend/budget-routes.ts')).budgetRoutes(deps)))
    web.use(room('/agents', async () => (await import('./agents/routes.ts')).agentRoutes(deps)))
    web.use(room('/images', async () => (await import('./images/routes.ts')).imageRoutes(deps, { remixOf, promptOf })))
    web.use(room('/prompts', async () => (await import('./prompts/routes.ts')).promptRoutes(deps)))
    web.use(room('/chat', async () => (await import('./chat/routes.ts')).chatRoutes(deps, streams)))
    web.use(room('/library', async () => (await import('./library/routes.ts')).libraryRoutes(deps, receiptOf)))
    web.use(room('/spend', async () => (await import('./spend/routes.ts')).spendRoutes(deps)))
    web.use(room('/derive', async () => (await import('./derive/routes.ts')).deriveRoutes(deps)))
    web.use(room('/files', async () => (await import('./library/files.ts')).fileRoutes(deps)))
    web.use(room('/exports', async () => (await import('./exports/routes.ts')).exportRoutes(deps)))
    web.use(room('/imports', async () => (await import('./imports/routes.ts')).importRoutes(deps)))
    web.use(room('/admin', async () => (await import('./admin/routes.ts')).adminRoutes(deps)))
    if (config.statusPage) {
      web.use(room('/status', async () => (await import('./admin/status-routes.ts')).statusRoutes(deps, bulletin)))
    }
    web.use(room('/gallery', gallery))
    web.use(room('/shared', gallery))
    web.get('/', (_req, res) => {
      const guests = config.gallery.open === 'public' ? '/gallery' : '/login'
      res.redirect(303, res.locals.signedIn ? '/images' : guests)
    })
    return web
  }

  async function gallery(): Promise<Router> {
    return (await import('./gallery/routes.ts')).galleryRoutes(deps)
  }

  async function remixOf(id: string) {
    return (await import('./gallery/remix.ts')).remixOf(deps, id)
  }

  async function promptOf(...asked: [userId: number, query: unknown, t: Translate]) {
    return (await import('./prompts/use.ts')).chosenPrompt(deps, ...asked)
  }

  async function receiptOf(userId: number, jobId: string) {
    const { viewNewest } = await import('./spend/receipt-view.ts')
    return (await viewNewest(deps.db, userId, 'picture', [jobId])).get(jobId) ?? null
  }

  function sessionOfRequest(): RequestHandler {
    const secure = https || config.embedOrigin !== null
    const load = session({
      name: cookie.name,
      secret: [...config.sessionSecrets],
      store: sessions,
      genid: newSessionId,
      resave: false,
      saveUninitialized: false,
      proxy: secure,
      cookie: { ...cookie.attributes, maxAge: SESSION_MS },
    })
    return (req, res, next) => {
      // How people come is configured. A proxy that does not repeat it would keep everybody from signing in.
      if (secure) req.headers['x-forwarded-proto'] = 'https'
      load(req, res, next)
    }
  }

  return {
    handler: app,
    drain: () => {
      draining = true
      streams.endAll()
    },
    close: () => sessions.close(),
  }
}
