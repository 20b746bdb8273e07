import type { FaultInput } from './faults.ts'

/** What a prompt can ask for: the tag, what goes wrong, and the words for the start page. */
export const promptTags: Record<string, { fault: FaultInput; en: string; zh: string }> = {
  '#fail-policy': { fault: { reply: 'moderation' }, en: 'refused by the safety system', zh: '被安全系统拒绝' },
  '#fail-text': {
    fault: { reply: 'answered_in_text' },
    en: 'the model answers in words instead',
    zh: '模型只返回文字',
  },
  '#fail-upstream': { fault: { reply: 'upstream_unavailable' }, en: '502 from upstream', zh: '上游 502' },
  '#fail-503': { fault: { reply: 'no_accounts' }, en: '503, no account available', zh: '503，没有可用账号' },
  '#fail-429': { fault: { reply: 'rate_limited_20s' }, en: '429, try again in 20 seconds', zh: '429，20 秒后重试' },
  '#fail-concurrency': { fault: { reply: 'concurrency' }, en: '429, too many at once', zh: '429，并发超限' },
  '#fail-413': { fault: { reply: 'too_large' }, en: '413, request too large', zh: '413，请求过大' },
  '#fail-balance': {
    fault: { reply: 'late_balance' },
    en: 'balance found empty after the wait',
    zh: '排队后发现余额不足',
  },
  '#fail-proxy': { fault: { reply: 'proxy_502' }, en: 'HTML error page of a proxy', zh: '代理返回 HTML 错误页' },
  '#fail-stream': {
    fault: { error: { at: 'after_partial', message: 'stream disconnected before image generation completed' } },
    en: 'an error after the first preview',
    zh: '首个预览后出错',
  },
  '#fail-second': {
    fault: { error: { at: 'after_completed' } },
    en: 'the first picture comes, then an error',
    zh: '第一张完成后出错',
  },
  '#fail-end': { fault: { end: 'before_completed' }, en: 'the stream ends without a picture', zh: '流提前结束' },
  '#fail-cut': { fault: { cut: 'mid_picture' }, en: 'the connection breaks inside the picture', zh: '图片传输中断线' },
  '#fail-200': {
    fault: { blanks: 3, error: { at: 'before_completed' } },
    en: 'an error with status 200',
    zh: '状态码 200 的错误',
  },
  '#fail-garbage': { fault: { picture: 'not_an_image' }, en: 'bytes that are no picture', zh: '返回的不是图片' },
  '#half': { fault: { picture: 'truncated' }, en: 'half a picture', zh: '只有半张图片' },
  '#no-end': { fault: { picture: 'no_end_marker' }, en: 'a JPEG without its end marker', zh: '缺结束标记的 JPEG' },
  '#gif': { fault: { picture: 'gif' }, en: 'a GIF', zh: '返回 GIF' },
  '#avif': { fault: { picture: 'avif' }, en: 'an AVIF', zh: '返回 AVIF' },
  '#data-url': { fault: { picture: 'data_url' }, en: 'a data URL in place of base64', zh: '以 data URL 代替 base64' },
  '#relative': {
    fault: { url: '/__mock/pictures/relative.png' },
    en: 'a link without its host',
    zh: '不带主机名的链接',
  },
  '#hang': { fault: { hold: 'before_completed' }, en: 'never finishes', zh: '永不完成' },
  '#slow': { fault: { slower: 5 }, en: 'five times slower', zh: '慢五倍' },
  '#fewer': { fault: { deliver: 1 }, en: 'one picture whatever the count', zh: '只返回一张' },
  '#wrong-size': { fault: { size: '1280x1024' }, en: 'another size than asked for', zh: '返回尺寸不符' },
  '#json': { fault: { as: 'json' }, en: 'JSON although a stream was asked for', zh: '不返回流，只返回 JSON' },
  '#url': { fault: { url: 'http' }, en: 'the picture comes as a link', zh: '以链接形式返回图片' },
  '#no-usage': { fault: { noUsage: true }, en: 'no usage row appears', zh: '没有用量记录' },
}

export function faultOfPrompt(prompt: string): FaultInput | null {
  if (!prompt.includes('#')) return null
  const tag = Object.keys(promptTags).find(each => prompt.includes(each))
  return tag ? (promptTags[tag]?.fault ?? null) : null
}
