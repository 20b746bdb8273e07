import { z } from 'zod'
import { about, titles } from '../about.ts'
import { wholeNumber } from '../values.ts'

export const Keeping = z
  .object({
    DATABASE_URL: z
      .string()
      .regex(/^postgres(ql)?:\/\//, { message: 'must be a postgres:// address', abort: true })
      .refine(
        text => URL.canParse(text),
        'must be an address: in its password write @ as %40, / as %2F, # as %23, % as %25',
      )
      .optional()
      .register(about, {
        meaning: [
          'Postgres 15 or later, UTF8; without it the embedded one, for one machine',
          'Postgres 15 以上，UTF8 编码；不设则用内置的（仅限单机）',
        ],
        secret: true,
      }),
    PLAYGROUND_DATABASE_CONNECTIONS: wholeNumber(2, 200)
      .prefault('12')
      .register(about, {
        meaning: [
          'connections of the pool of a process; its queue takes 3 to 4 more',
          '单个进程的连接池大小；队列另需 3 到 4 个',
        ],
      }),
    PLAYGROUND_DATA_DIR: z
      .string()
      .prefault('data/playground')
      .register(about, {
        meaning: [
          'embedded Postgres, files of pictures, generated secret, what waits for the store',
          '内置 Postgres、图片文件、自动生成的密钥、等待写入存储的内容',
        ],
      }),
    PLAYGROUND_SPILL_MB: wholeNumber(1, 1_000_000)
      .prefault('2048')
      .register(about, {
        meaning: [
          'room under the data directory for paid pictures that the store does not take; when it is full no new picture is begun',
          '存储不可用时，已付费的图片在数据目录里可占的空间（MB）；用满后不再开始新图片',
        ],
      }),
    SESSION_SECRET: z
      .string()
      .transform(text => text.split(',').map(part => part.trim()))
      .refine(list => list.every(secret => secret.length >= 32), 'must have at least 32 characters, in every part')
      .optional()
      .register(about, {
        meaning: [
          'seals keys and signs cookies; at least 32 characters. Several, with commas between, rotate: the first seals, all open. Required with `DATABASE_URL` or a role',
          '用于密封密钥和签名 Cookie，至少 32 个字符。用逗号分隔多个即可轮换：第一个用于加密，其余仍可解密。设了 `DATABASE_URL` 或角色时必填',
        ],
        secret: true,
        unset: ['generated', '自动生成'],
      }),
  })
  .register(titles, { title: ['Where it keeps things', '数据'] })
