import { login, loginWithCode, logout, me, refresh, revokeAllSessions } from './auth.ts'
import type { Handler } from './exchange.ts'
import { editImages, generateImages } from './images.ts'
import { availableGroups, createKey, deleteKey, getKey, groupRates, listKeys, updateKey } from './keys.ts'
import { keyUsage, listModels } from './models.ts'
import { profile } from './profile.ts'
import { send, sendData, sendJson } from './replies.ts'
import { createResponse } from './responses.ts'
import { startPage } from './start-page.ts'
import { getUsage, listUsage, usageStats } from './usage-rows.ts'

type Family = 'panel' | 'gateway'

const routes: [method: string, path: string, handler: Handler][] = [
  ['GET', '/', exchange => send(exchange.res, 200, 'text/html; charset=utf-8', startPage(exchange))],
  ['GET', '/health', ({ res }) => sendJson(res, 200, { status: 'ok' })],
  [
    'GET',
    '/setup/status',
    ({ res }) => sendJson(res, 200, { code: 0, data: { needs_setup: false, step: 'completed' } }),
  ],

  ['GET', '/api/v1/settings/public', ({ state, res }) => sendData(res, state.settings.site)],
  ['POST', '/api/v1/auth/login', login],
  ['POST', '/api/v1/auth/login/2fa', loginWithCode],
  ['POST', '/api/v1/auth/refresh', refresh],
  ['POST', '/api/v1/auth/logout', logout],
  ['POST', '/api/v1/auth/revoke-all-sessions', revokeAllSessions],
  ['GET', '/api/v1/auth/me', me],
  ['GET', '/api/v1/user/profile', profile],
  ['GET', '/api/v1/keys', listKeys],
  ['POST', '/api/v1/keys', createKey],
  ['GET', '/api/v1/keys/:id', getKey],
  ['PUT', '/api/v1/keys/:id', updateKey],
  ['DELETE', '/api/v1/keys/:id', deleteKey],
  ['GET', '/api/v1/groups/available', availableGroups],
  ['GET', '/api/v1/groups/rates', groupRates],
  ['GET', '/api/v1/usage', listUsage],
  ['GET', '/api/v1/usage/stats', usageStats],
  ['GET', '/api/v1/usage/:id', getUsage],

  ['GET', '/v1/usage', keyUsage],
  ['GET', '/v1/models', listModels],
  ['GET', '/models', listModels],
  ['POST', '/v1/images/generations', generateImages],
  ['POST', '/images/generations', generateImages],
  ['POST', '/v1/images/edits', editImages],
  ['POST', '/images/edits', editImages],
  ['POST', '/v1/responses', createResponse],
  ['POST', '/responses', createResponse],
  ['POST', '/backend-api/codex/responses', createResponse],
]

const table = routes.map(([method, path, handler]) => ({
  method,
  pattern: new RegExp(`^${path.replace(':id', '(?<id>[^/]+)')}$`),
  family: (/^\/($|health|setup|api)/.test(path) ? 'panel' : 'gateway') as Family,
  handler,
}))

export function routeOf(method: string, path: string) {
  for (const route of table) {
    const found = route.method === method && route.pattern.exec(path)
    if (found)
      return { handler: route.handler, family: route.family, params: { ...found.groups } as Record<string, string> }
  }
  return null
}
