import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'

export interface Route {
  method: string
  /** From the site's root, as Express writes it: `/images/:id`. */
  address: string
  /** The folder under `src`. */
  room: string
}

/** Every route that the sources declare, once. */
export function declaredRoutes(): Route[] {
  const routes = new Map(routesOfSources().map(route => [`${route.method} ${route.address}`, route]))
  return [...routes.values()]
}

function routesOfSources(): Route[] {
  const root = path.join(import.meta.dirname, '..')
  return globSync('{app.ts,*/**/*.ts}', { cwd: root, exclude: name => /\.test\.ts$|^mock$|^testing$/.test(name) })
    .toSorted()
    .flatMap(name => {
      const text = readFileSync(path.join(root, name), 'utf8')
      const mounted = /^agents\/(api|assets|library-api)/.test(name) ? '/api/playground' : ''
      const found = text.matchAll(/\b(?:router|api|web)\.(get|post)\(\s*'([^']+)'/g)
      const room = name.split('/')[0]!.replace(/\.ts$/, '')
      return [...found].map(([, method = '', route = '']) => ({
        method: method.toUpperCase(),
        address: mounted + route,
        room,
      }))
    })
}
