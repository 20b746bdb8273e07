import type { Picture } from './queries.ts'
import type { PictureView } from './view.ts'

export function viewPicture(picture: Picture): PictureView {
  const url = `/files/${picture.token}`
  const { originalFormat, originalBytes } = picture
  return {
    id: picture.id,
    url,
    thumbUrl: `${url}/thumb`,
    downloadUrl: `${url}?download=${picture.id}`,
    width: picture.width,
    height: picture.height,
    format: picture.format,
    bytes: picture.bytes,
    hasAlpha: picture.hasAlpha,
    color: picture.color,
    prompt: picture.prompt,
    model: picture.model,
    requestedSize: picture.requestedSize,
    quality: picture.quality,
    jobId: picture.jobId,
    origin: picture.origin,
    changedOutside: picture.changedOutside,
    derived: picture.derived,
    hasSources: picture.sourceTokens.length > 0,
    favourite: picture.favourite,
    createdAt: picture.createdAt,
    deletedAt: picture.deletedAt,
    condition: picture.condition,
    original:
      originalFormat === null
        ? null
        : { url: `${url}/original?download=${picture.id}`, format: originalFormat, bytes: originalBytes! },
  }
}
