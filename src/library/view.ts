/** One picture as a tile, a page or the lightbox shows it. */
export interface PictureView {
  id: string
  /** `/files/<token>`: the original bytes. */
  url: string
  /** `/files/<token>/thumb`: WebP, at most 480 px. */
  thumbUrl: string
  downloadUrl: string
  /** Measured by decoding, in pixels. */
  width: number
  height: number
  format: string
  /** Bytes of the original. */
  bytes: number
  hasAlpha: boolean
  /** Average colour, `#rrggbb`: the placeholder. */
  color: string
  prompt: string
  model: string
  /** Requested, beside the measured width and height. */
  requestedSize: string
  quality: string
  /** The job that made it. */
  jobId: string | null
  /** `uploaded` ones have no prompt; `composed` ones were pasted together here. */
  origin: 'made' | 'uploaded' | 'composed'
  /** Of an edit with a mask: 0 to 1, the share of the pixels outside it that changed; null otherwise, or not measured. */
  changedOutside: number | null
  /** Whether it was made from other pictures. */
  hasSources: boolean
  favourite: boolean
  createdAt: Date
  deletedAt: Date | null
  /**
   * `preview`: the last that was seen of a picture that never came. `incomplete`: only a part of it came. `undecodable`: bytes that
   * cannot be shown, only saved; a square stands for them.
   */
  condition: 'whole' | 'preview' | 'incomplete' | 'undecodable'
  /** As it came, to be saved, where a copy of it is shown. */
  original: { url: string; format: string; bytes: number } | null
}

/** What a picture came from and what came from it, nearest first; bounded, so perhaps not all. */
export interface LineageView {
  ancestors: LineagePicture[]
  descendants: LineagePicture[]
}

interface LineagePicture {
  picture: PictureView
  /** Steps between the two: 1 is the next. */
  depth: number
}
