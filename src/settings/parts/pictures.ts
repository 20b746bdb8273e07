import { z } from 'zod'
import { decoded } from '../../storage/addresses.ts'
import { about, titles } from '../about.ts'
import { address, oneOf, wholeNumber, yesOrNo } from '../values.ts'

export const Pictures = z
  .object({
    R2_ENDPOINT: address()
      .optional()
      .register(about, {
        meaning: [
          'keep pictures in R2 or S3: this and the next three, or none of the four',
          '图片存到 R2 或 S3：本项与下面三项都设，或都不设',
        ],
      }),
    R2_BUCKET: z
      .string()
      .optional()
      .register(about, { meaning: ['name of the bucket', '存储桶名称'] }),
    R2_ACCESS_KEY_ID: z
      .string()
      .optional()
      .register(about, { meaning: ['its key', '访问密钥 ID'], secret: true }),
    R2_SECRET_ACCESS_KEY: z
      .string()
      .optional()
      .register(about, { meaning: ['and the secret of that key', '访问密钥'], secret: true }),
    R2_REGION: z
      .string()
      .prefault('auto')
      .register(about, { meaning: ['region of the bucket', '存储桶区域'] }),
    PLAYGROUND_IMAGE_CDN_BASE: address()
      .refine(text => decoded(new URL(text).pathname) !== null, 'must have a path whose % signs begin UTF-8 escapes')
      .optional()
      .register(about, {
        meaning: [
          'public address in front of the bucket; the key of an object is its path + `/` + token',
          '存储桶的公开地址；对象名是它的路径 + `/` + token',
        ],
      }),
    PLAYGROUND_ENABLE_CF_IMAGE_RESIZING: yesOrNo()
      .prefault('false')
      .register(about, {
        meaning: [
          'let Cloudflare make the thumbnails of pictures that only the bucket has, at `/cdn-cgi/image/` of the CDN’s host',
          '仅存于存储桶的图片，缩略图改由 CDN 域名下的 Cloudflare `/cdn-cgi/image/` 生成',
        ],
      }),
    PLAYGROUND_THUMBNAIL_WIDTH: wholeNumber(64, 2048)
      .prefault('480')
      .register(about, {
        meaning: [
          'longest side of a thumbnail in pixels, of pictures made from now on',
          '缩略图最长边的像素数，对今后的图片生效',
        ],
      }),
    PLAYGROUND_KEEP_LOCAL_ASSETS: yesOrNo()
      .prefault('false')
      .register(about, {
        meaning: [
          'with a bucket: keep copies under the data directory too, and read them first',
          '用存储桶时也在数据目录保留副本，并优先读取',
        ],
      }),
    PLAYGROUND_PUBLIC_ASSETS: yesOrNo()
      .prefault('false')
      .register(about, {
        meaning: [
          'at `/api/playground/assets/<token>`, show every picture that is not in the trash to whoever knows its token',
          '任何知道 token 的人都能在 `/api/playground/assets/<token>` 看到对应图片（回收站里的除外）',
        ],
      }),
    PLAYGROUND_STATUS_PAGE: yesOrNo()
      .prefault('false')
      .register(about, {
        meaning: [
          'at `/status`, show everybody how this place does: gateway, waiting times, success of the last hours, maintenance; nobody’s data',
          '在 `/status` 向所有人公开服务状态：网关、等待时间、最近的成功率和维护情况，不含任何个人数据',
        ],
      }),
    PLAYGROUND_GALLERY: oneOf('public', 'members', 'off')
      .prefault('public')
      .register(about, {
        meaning: [
          'who may look at what people share, in the gallery and by secret link: `public` (guests too), `members`, or `off`',
          '谁可以看到用户在画廊和私密链接中分享的内容：`public`（包括访客）、`members`（仅登录用户）或 `off`',
        ],
      }),
    PLAYGROUND_GALLERY_LICENCE: z
      .string()
      .max(500, 'must have at most 500 characters')
      .optional()
      .register(about, {
        meaning: [
          'a sentence that whoever shares has to agree to first, such as the licence their pictures are shared under',
          '分享前必须先同意的一句话，例如分享图片所用的许可',
        ],
      }),
  })
  .register(titles, { title: ['Pictures, and who sees them', '图片及其可见范围'] })
