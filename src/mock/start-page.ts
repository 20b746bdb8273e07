import type { Exchange } from './exchange.ts'
import { acts } from './people.ts'
import { promptTags } from './prompt-tags.ts'

/** What somebody sees who opens the mock in a browser: which e-mails and prompts do what. */
export function startPage({ req, state }: Exchange) {
  const chinese = req.headers['accept-language']?.startsWith('zh') ?? false
  const say = (en: string, zh: string) => (chinese ? zh : en)
  const { playgroundUrl } = state.settings
  const link = /^https?:\/\/[^"<>\s]+$/.test(playgroundUrl) ? playgroundUrl : null
  return `<!doctype html>
<html lang="${chinese ? 'zh-CN' : 'en'}">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${say('Mock gateway', '模拟网关')}</title>
<style>
  :root { color-scheme: light dark; --line: light-dark(#e4e1da, #34363d); --muted: light-dark(#6d6a66, #9b9892) }
  body { font: 15px/1.55 system-ui, 'PingFang SC', 'Microsoft YaHei', sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1rem }
  h1 { font-size: 23px } h2 { font-size: 18px; margin: 2rem 0 .5rem }
  table { border-collapse: collapse; width: 100% } td { padding: .4rem 1rem .4rem 0; border-top: 1px solid var(--line); vertical-align: top }
  td:first-child { white-space: nowrap } p, td:last-child { color: var(--muted) } code { font: 13.5px ui-monospace, monospace }
</style>
<h1>${say('Mock gateway', '模拟网关')}</h1>
<p>${say(
    'It stands in for a real sub2api gateway: any e-mail and any password sign in, pictures are painted here, money is not real, and everything is forgotten when it stops.',
    '代替真实的 sub2api 网关：任意邮箱和密码都能登录，图片在本机绘制，余额是假的，停止后一切清空。',
  )}</p>
${link ? `<p>${say('The playground:', '应用地址：')} <a href="${link}">${link}</a></p>` : ''}
<h2>${say('E-mails that act out', '特殊邮箱')}</h2>
<p>${say('Any domain; <code>name+anything@…</code> works too. The password <code>wrong</code> is always wrong.', '域名任意，也可写作 <code>name+任意@…</code>。密码 <code>wrong</code> 永远错误。')}</p>
<table>${rows(Object.entries(acts).map(([name, [en, zh]]) => [`${name}@example.com`, say(en, zh)]))}</table>
<h2>${say('Prompts that act out', '特殊提示词')}</h2>
<p>${say('Put one of these anywhere in a prompt.', '写在提示词的任意位置。')}</p>
<table>${rows(Object.entries(promptTags).map(([tag, { en, zh }]) => [tag, say(en, zh)]))}</table>
<h2>${say('For tests', '供测试使用')}</h2>
<table>${rows([
    ['GET /__mock/calls', say('every gateway call so far', '所有网关请求')],
    ['GET /__mock/panel-calls', say('every panel call so far', '所有面板请求')],
    ['POST /__mock/faults', say('make the next calls misbehave', '让接下来的请求出错')],
    ['POST /__mock/release', say('let held calls go on', '放行被挂起的请求')],
    ['POST /__mock/wait', say('wait until calls have come', '等待请求到达')],
    ['POST /__mock/settings', say('captcha, latency, token lifetime…', '验证码、延迟、令牌有效期等')],
    ['POST /__mock/user · key · group', say('change balances, keys and groups', '修改余额、密钥和分组')],
  ])}</table>
<p>${say('Latency', '延迟')}: ${state.settings.latencyMs} ms</p>
</html>
`
}

function rows(pairs: [string, string][]) {
  return pairs.map(([name, what]) => `<tr><td><code>${name}</code></td><td>${what}</td></tr>`).join('\n')
}
