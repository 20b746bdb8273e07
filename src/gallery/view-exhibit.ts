import type { Request } from 'express'
import type { Deps } from '../deps.ts'
import type { Shown } from './queries.ts'
import type { CardView, ExhibitView } from './view.ts'

/** Longest edge of the picture in a preview of a link, in pixels. */
export const CARD_EDGE = 1200

export function viewExhibit(exhibit: Shown, viewerId: number | null): ExhibitView {
  const { id, authorId, authorName, width, height, hasAlpha, color, prompt, settings, likes, liked } = exhibit
  const bytes = `/shared/${id}`
  return {
    id,
    url: exhibit.isListed ? `/gallery/${id}` : bytes,
    pictureUrl: `${bytes}/picture`,
    thumbUrl: `${bytes}/thumb`,
    downloadUrl: `${bytes}/picture?download`,
    width,
    height,
    hasAlpha,
    color,
    prompt,
    settings,
    likes,
    liked,
    author: { id: authorId, name: authorName, url: `/gallery?by=${authorId}` },
    createdAt: exhibit.createdAt,
    isListed: exhibit.isListed,
    expiresAt: exhibit.expiresAt,
    hiddenBecause: exhibit.hiddenBecause,
    isMine: exhibit.userId === viewerId,
  }
}

export function cardOf(deps: Pick<Deps, 'config'>, req: Request, exhibit: ExhibitView, title: string): CardView {
  const origin = originOf(deps, req)
  const scale = Math.min(1, CARD_EDGE / Math.max(exhibit.width, exhibit.height))
  return {
    title,
    url: origin + exhibit.url,
    image: `${origin}/shared/${exhibit.id}/card.jpg`,
    width: Math.round(exhibit.width * scale),
    height: Math.round(exhibit.height * scale),
  }
}

/** Where people reach this site, as far as it is known. */
export function originOf({ config }: Pick<Deps, 'config'>, req: Request): string {
  return config.publicOrigin ?? `${req.protocol}://${req.host}`
}
