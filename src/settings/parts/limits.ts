import { z } from 'zod'
import { about, titles } from '../about.ts'
import { amountOfBytes, dollars, wholeNumber } from '../values.ts'

export const Limits = z
  .object({
    PLAYGROUND_RUNNING_PER_USER: wholeNumber(1, 100)
      .prefault('4')
      .register(about, {
        meaning: ['jobs of one person at a time, over all processes', '每人同时进行的任务数（所有进程合计）'],
      }),
    PLAYGROUND_QUEUED_PER_USER: wholeNumber(1, 10_000)
      .prefault('50')
      .register(about, { meaning: ['jobs of one person that may wait', '每人可以排队的任务数'] }),
    PLAYGROUND_STORAGE_PER_USER: amountOfBytes()
      .prefault('10GiB')
      .register(about, {
        meaning: [
          'room for the files of one person, trash included; when it is full, nothing more is uploaded or begun until they delete',
          '每人的文件（含回收站）可占的空间；用满后，删除之前不再接受上传，也不再开始新任务',
        ],
      }),
    PLAYGROUND_SPEND_PER_USER_PER_DAY: dollars()
      .optional()
      .register(about, {
        meaning: [
          'US dollars that one person may spend a day, in their own zone; what has no room at the dearest bill that can come back is refused before paying. Everybody sets budgets of their own beside these',
          '每人每日最多可花的美元数，按各人的时区；按可能出现的最高账单放不下的请求，付费前即拒绝。每个人还可自设预算',
        ],
      }),
    PLAYGROUND_SPEND_PER_USER_PER_MONTH: dollars()
      .optional()
      .register(about, { meaning: ['the same a month', '同上，每月'] }),
    PLAYGROUND_SPEND_PER_DAY: dollars()
      .optional()
      .register(about, {
        meaning: ['US dollars that all together may spend a day, by UTC', '全站合计每日最多可花的美元数，按 UTC'],
      }),
    PLAYGROUND_SPEND_PER_MONTH: dollars()
      .optional()
      .register(about, { meaning: ['the same a month', '同上，每月'] }),
    PLAYGROUND_IMPORT_LIMIT: amountOfBytes()
      .prefault('4GiB')
      .register(about, {
        meaning: [
          'largest ZIP of pictures that may be imported; it passes through `PLAYGROUND_DATA_DIR/incoming`, and a proxy in front must let it by',
          '可导入的图片 ZIP 的最大体积；上传时先落在 `PLAYGROUND_DATA_DIR/incoming`，前面的反向代理也须放行这么大的请求',
        ],
      }),
    PLAYGROUND_RUNNING_TOTAL: wholeNumber(1, 10_000)
      .prefault('64')
      .register(about, { meaning: ['jobs at a time, over all processes', '同时进行的任务总数（所有进程合计）'] }),
    PLAYGROUND_WORKER_CONCURRENCY: wholeNumber(1, 200)
      .prefault('16')
      .register(about, { meaning: ['jobs at a time in one process', '单个进程同时进行的任务数'] }),
    PLAYGROUND_SIGN_INS_PER_MINUTE: wholeNumber(1, 10_000)
      .prefault('20')
      .register(about, {
        meaning: [
          'sign-in attempts a minute from one address; for one e-mail it is 20 from one address and 100 from all, and a browser that signed in before has 10 of its own',
          '同一地址每分钟的登录次数；同一邮箱从同一地址为 20 次、从所有地址共 100 次，登录过的浏览器另有自己的 10 次',
        ],
      }),
    PLAYGROUND_PARTIAL_IMAGES: wholeNumber(0, 3)
      .prefault('2')
      .register(about, {
        meaning: [
          'previews per picture made from words, 0–3; 0 does not stream',
          '文字生图的中途预览数，0–3；0 表示不用流式',
        ],
      }),
    PLAYGROUND_PARTIAL_IMAGES_EDITS: wholeNumber(0, 3)
      .prefault('0')
      .register(about, {
        meaning: [
          'the same for edits: the gateway bills *streamed* edits by tokens instead of by picture on API-key accounts, often several times as much',
          '图片编辑的中途预览数：使用 API Key 账号的网关会对流式编辑按 token 而不是按张计费，往往贵好几倍',
        ],
      }),
  })
  .register(titles, { title: ['How much at once', '限额'] })
