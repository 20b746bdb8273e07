import { titles } from './about.ts'
import { parts, type Variable, variablesOf } from './variables.ts'

/** The languages of a table, by their places in what is said of a variable. */
const languages = {
  en: {
    place: 0,
    heads: ['variable', 'default', 'meaning'],
    head: `# Configuration

Everything is set by variables of the environment or, where the environment is silent, by lines of a file \`.env\` in the
directory the app is started from ([.env.example](../.env.example)). An empty variable counts as absent. A mistake stops the
start with code 78 and one sentence per mistake; \`npm run config\` prints what was understood, secrets hidden, and where each
value came from. Written by \`npm run docs\`.

**Secrets in files.** A variable marked 🔑 may be read from a file instead, as Docker and Kubernetes hand secrets over: name the
file in \`<variable>_FILE\`. Ends of line at its end do not count; both at once, or a file that cannot be read, are mistakes.

**Older names** of the earlier product go on working. Ours win, with a warning where both say different things.
`,
    alias: (name: string) => `Older name: \`${name}\`.`,
  },
  'zh-CN': {
    place: 1,
    heads: ['变量', '默认值', '含义'],
    head: `# 配置

所有配置都来自环境变量；环境里没有的，读启动目录下的 \`.env\` 文件（见 [.env.example](../.env.example)）。空变量等于没有设置。配置有误时
程序以退出码 78 停止启动，每个错误给出一句说明；\`npm run config\` 打印实际生效的配置和每一项的来源，机密不会显示。本页由 \`npm run docs\` 生成。

**用文件提供机密。** 带 🔑 的变量可以改由文件提供（Docker 和 Kubernetes 的 secret 就是这样交付的）：在 \`<变量名>_FILE\` 里写文件路径。文件末尾的
换行会被忽略；两者同时设置、或文件读不到，都算配置错误。

**旧名称** 前一代产品的变量名继续有效；新名称优先，两者不一致时会有警告。
`,
    alias: (name: string) => `旧名称：\`${name}\`。`,
  },
} as const

export type Language = keyof typeof languages

/** A page with a table of all variables, by parts. */
export function configurationPage(language: Language): string {
  const { place, heads, head, alias } = languages[language]
  const row = (variable: Variable) => {
    const { name, secret, meaning, fallback, unset } = variable
    const shown = fallback === null ? (unset?.[place] ?? '–') : `\`${fallback}\``
    const older = variable.alias ? ` ${alias(variable.alias)}` : ''
    return `| \`${name}\`${secret ? ' 🔑' : ''} | ${shown} | ${meaning[place]}${older} |`
  }
  const tables = parts.map(part => {
    const lines = [`| ${heads.join(' | ')} |`, '|---|---|---|', ...variablesOf(part).map(row)]
    return `\n## ${titles.get(part)!.title[place]}\n\n${lines.join('\n')}\n`
  })
  return head + tables.join('')
}

/** The same as a file to be filled in: what is required stands open, all else is a comment with its default. */
export function envExample(): string {
  const entry = ({ name, secret, meaning, fallback, unset }: Variable) => {
    const isRequired = unset?.[0] === 'required'
    const file = secret ? ` Or a file: ${name}_FILE.` : ''
    return `# ${sentence(meaning[0])}${file}\n${isRequired ? '' : '# '}${name}=${fallback ?? ''}\n`
  }
  const sections = parts.map(part => `## ${titles.get(part)!.title[0]}\n\n${variablesOf(part).map(entry).join('\n')}`)
  return `# Copy to .env and fill in; docs/configuration.md has the same as a table. Written by npm run docs.\n\n${sections.join('\n')}
## Of the compose files alone

# Password of the Postgres that docker-compose.yml brings along; letters and digits.
# POSTGRES_PASSWORD=

# The gateway's network, for docker-compose.example.yml.
# SUB2API_DOCKER_NETWORK=deploy_sub2api-network
`
}

function sentence(meaning: string): string {
  const text = meaning
    .replaceAll('`', '')
    .replaceAll(/\*(\w+)\*/g, '$1')
    .replaceAll(/\[[^\]]*\]\(([^)]*)\)/g, 'docs/$1')
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`
}
