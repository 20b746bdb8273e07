import type { RequestHandler, Router } from 'express'

/**
 * The doors of a room whose addresses begin with `path`, loaded when somebody comes to one of them for the first time: a
 * process starts sooner and is smaller without rooms that nobody enters.
 */
export function room(path: string, load: () => Promise<Router>): RequestHandler {
  let loading: Promise<Router> | null = null
  return async (req, res, next) => {
    // As Express compares them.
    if (!`${req.path}/`.toLowerCase().startsWith(`${path}/`)) return next()
    loading ??= load().catch(error => {
      loading = null
      throw error
    })
    const doors = await loading
    doors(req, res, next)
  }
}
