/** A picture that somebody shows, as others see it. */
export interface ExhibitView {
  id: string
  /** Its page: `/gallery/<id>`, or `/shared/<id>` for whoever has the link. */
  url: string
  /** `/shared/<id>/picture`: the bytes, as long as it is shown. */
  pictureUrl: string
  /** Small, by default at most 480 px. */
  thumbUrl: string
  downloadUrl: string
  /** Pixels. */
  width: number
  height: number
  hasAlpha: boolean
  /** `#rrggbb` */
  color: string
  /** Null where the author keeps it. */
  prompt: string | null
  settings: { model: string; size: string; quality: string } | null
  likes: number
  liked: boolean
  author: { id: string; name: string; url: string }
  createdAt: Date
  isListed: boolean
  /** A link ends then. */
  expiresAt: Date | null
  /** Why an operator took it from view; only its author and operators learn it. */
  hiddenBecause: string | null
  isMine: boolean
}

export const sorts = ['newest', 'liked', 'month'] as const
export type Sort = (typeof sorts)[number]

/** What the page of the gallery shows. */
export interface GalleryView {
  exhibits: ExhibitView[]
  older: string | null
  /** What shows the list down to here again; null where it began further down, or is long enough. */
  through: string | null
  sort: Sort
  q: string
  /** Only theirs are shown. */
  author: { id: string; name: string; isBlocked: boolean; isMe: boolean } | null
}

/** What a preview of a link to the page shows elsewhere. */
export interface CardView {
  title: string
  /** Absolute. */
  url: string
  /** Absolute; a JPEG of at most 1200 px. */
  image: string
  width: number
  height: number
}

/** One of those that would become public. */
export interface PictureToShare {
  id: string
  thumbUrl: string
  /** Pixels. */
  width: number
  height: number
  prompt: string
}

/** The question before something is shown. */
export interface ShareForm {
  /** Where the answer goes. */
  action: string
  /** Of very many, where each can be seen. */
  all: string | null
  /** Of all of them, with commas between; empty where the action names them. */
  ids: string
  count: number
  /** How many that were chosen cannot be shown. */
  left: number
  /** How many have one. */
  prompts: number
  /** Each that one of them was asked with. */
  settings: string[]
  /** The first of them. */
  pictures: PictureToShare[]
  values: { where: 'gallery' | 'link'; prompt: boolean; settings: boolean; name: string; ends: string; agreed: boolean }
  /** The operator's sentence, where it is still to be agreed to. */
  licence: string | null
  /** How many of them hang in the gallery already. */
  already: number
  errors: { name?: string; licence?: string; form?: string }
}
