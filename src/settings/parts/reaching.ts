import { z } from 'zod'
import { about, titles } from '../about.ts'
import { address, oneOf, proxies, wholeNumber, yesOrNo } from '../values.ts'

export const Reaching = z
  .object({
    SUB2API_UPSTREAM: address().register(about, {
      meaning: [
        'root address of your sub2api gateway, e.g. `http://127.0.0.1:8080`',
        'sub2api 网关的根地址，例如 `http://127.0.0.1:8080`',
      ],
      unset: ['required', '必填'],
    }),
    HOST: z
      .string()
      .prefault('0.0.0.0')
      .register(about, {
        meaning: ['address to listen on', '监听的地址'],
        alias: 'PLAYGROUND_BIND_HOST',
      }),
    PORT: wholeNumber(0, 65_535)
      .prefault('8081')
      .register(about, {
        meaning: ['port to listen on', '监听的端口'],
        alias: 'PLAYGROUND_PORT',
      }),
    PLAYGROUND_ROLE: oneOf('all', 'web', 'worker')
      .prefault('all')
      .register(about, {
        meaning: [
          'what this process does: `web` answers people, `worker` makes pictures and answers, `all` both',
          '本进程的职责：`web` 响应用户，`worker` 生成图片和回答，`all` 两者都做',
        ],
      }),
    PLAYGROUND_PUBLIC_ORIGIN: address()
      .refine(text => new URL(text).origin === text, 'must be an origin without a path')
      .optional()
      .register(about, {
        meaning: [
          'where people reach the app, e.g. `https://play.example.com`; https turns on `__Host-` cookies and HSTS',
          '用户访问的地址，例如 `https://play.example.com`；https 会启用 `__Host-` Cookie 和 HSTS',
        ],
      }),
    PLAYGROUND_TRUST_PROXY: proxies()
      .prefault('none')
      .register(about, {
        meaning: [
          'whose `X-Forwarded-For` is believed: how many proxies stand in front, or their networks (`172.16.0.0/12`)',
          '相信谁的 `X-Forwarded-For`：前面有几层反向代理，或它们所在的网段（`172.16.0.0/12`）',
        ],
      }),
    PLAYGROUND_EMBED_ORIGIN: address()
      .refine(text => new URL(text).origin === text, 'must be an origin without a path')
      .optional()
      .register(about, {
        meaning: [
          'the gateway’s site, e.g. `https://gateway.example.com`, whose menu may open this app in a frame and sign people in; needs an https `PLAYGROUND_PUBLIC_ORIGIN`; see [operations](operations.md)',
          '网关站点的源，例如 `https://gateway.example.com`：它的自定义菜单可以用框架打开本站并直接登录；需要 https 的 `PLAYGROUND_PUBLIC_ORIGIN`，见[运维](operations.zh-CN.md)',
        ],
      }),
    SUB2API_PROXY: yesOrNo()
      .prefault('false')
      .register(about, {
        meaning: [
          'pass the gateway’s own routes (`/v1/*`, `/api/v1/*`, its picture routes) on to it, for tools that are pointed at this origin; see [operations](operations.md)',
          '把网关自己的路由（`/v1/*`、`/api/v1/*` 及其图片路由）转发给网关，供指向本站地址的工具使用，见[运维](operations.zh-CN.md)',
        ],
      }),
    PLAYGROUND_SHUTDOWN_SECONDS: wholeNumber(0, 3600)
      .prefault('30')
      .register(about, {
        meaning: [
          'how long a stop may take (at least 3): calls under way get all of it but the last 5, in which what is left is put where it is safe',
          '整个停止过程最多用多少秒（至少 3）：除最后 5 秒外都留给进行中的调用，最后 5 秒把剩下的妥善放好',
        ],
      }),
  })
  .register(titles, { title: ['Where it is reached, and what it is', '访问与角色'] })
