import { fields, text } from './exchange.ts'
import { lastUserText } from './observe.ts'

export interface ToolCall {
  name: string
  arguments: string
}

/** What the text model says: words, a call of one of the caller's functions, or a picture of its own tool. */
export type Answer = { text: string } | { toolCall: ToolCall } | { drawing: Record<string, unknown> }

const drawWords =
  /\b(draw|paint|sketch|illustrate|illustration|picture|image|photo|logo|poster|render)\b|画|绘|图片|照片|海报|插图/i
const editWords =
  /\b(edit|change|replace|remove|add|crop|recolou?r|brighter|darker|make (it|that|this)|turn (it|that|this))\b|改|换|变成|变为|加上|去掉/i

/** Decides like a model with a simple mind: it draws when asked to and allowed to, and otherwise writes. */
export function answerTo(request: Record<string, unknown>): Answer {
  const items = Array.isArray(request.input) ? request.input.map(fields) : []
  const last = items.at(-1) ?? {}
  const prompt = lastUserText(request.input)
  const chinese = /[\u4e00-\u9fff]/.test(prompt)
  if (!text(request.instructions).trim()) return { text: codexWords }
  if (last.type === 'function_call_output') return { text: afterTool(JSON.stringify(last.output ?? ''), chinese) }

  const tools = (Array.isArray(request.tools) ? request.tools.map(fields) : []).filter(
    () => request.tool_choice !== 'none',
  )
  const hasPicture = /"(input_image|function_call|image_generation_call)"/.test(JSON.stringify(request.input ?? ''))
  const wantsEdit = hasPicture && editWords.test(prompt)
  const wantsDrawing = drawWords.test(prompt) || typeof request.tool_choice === 'object'
  const functions = tools.filter(tool => tool.type === 'function')
  const editor = functions.find(tool => /edit/.test(text(tool.name)))
  const drawer = functions.find(tool => /image|draw|picture/.test(text(tool.name)) && tool !== editor)
  const tool = wantsEdit && editor ? editor : wantsDrawing || wantsEdit ? drawer : undefined
  if (tool) return { toolCall: { name: text(tool.name), arguments: argumentsFor(fields(tool.parameters), prompt) } }

  const painter = tools.find(each => each.type === 'image_generation')
  if (painter && (wantsDrawing || wantsEdit)) return { drawing: painter }
  if (/\btitle\b|标题/i.test(text(request.instructions))) return { text: titleOf(prompt.split('\n', 1)[0]!) }
  return { text: words(prompt, chinese) }
}

/** Fills a function's parameters from its JSON schema: the prompt, one picture, a plain size, the first source. */
function argumentsFor(schema: Record<string, unknown>, prompt: string) {
  const filled: Record<string, unknown> = {}
  for (const [name, given] of Object.entries(fields(schema.properties))) {
    const property = fields(given)
    const items = fields(property.items)
    const first = (Array.isArray(items.enum) && items.enum[0]) || (items.type === 'string' ? '1' : 1)
    if (name === 'prompt') filled[name] = subjectOf(prompt)
    else if (Array.isArray(property.enum))
      filled[name] = property.enum.includes('1024x1024') ? '1024x1024' : property.enum[0]
    else if (name === 'size') filled[name] = '1024x1024'
    else if (property.type === 'array' || (Array.isArray(property.type) && property.type.includes('array')))
      filled[name] = [first]
    else if (property.type === 'integer' || property.type === 'number') filled[name] = 1
  }
  return JSON.stringify(filled)
}

function subjectOf(prompt: string) {
  const bare = prompt
    .replace(/^(please |could you |can you |请|帮我)*/i, '')
    .replace(/^(draw|paint|sketch|create|make|generate|画|生成)( me| us)? ?(一[张幅])?/i, '')
    .trim()
  return bare || prompt
}

function titleOf(prompt: string) {
  const words = prompt.replaceAll(/\s+/g, ' ').trim()
  return words.length > 40 ? `${words.slice(0, 40).replace(/\s\S*$/, '')}…` : words || 'New conversation'
}

function afterTool(output: string, chinese: boolean) {
  if (/declin|not now|cancel|fail|error|拒绝|取消|失败/i.test(output)) {
    return chinese
      ? '好的，这次先不生成。需要时告诉我。'
      : 'All right, no picture this time. Tell me when you want one.'
  }
  return chinese
    ? '图片好了。想改颜色、构图或风格，直接告诉我。'
    : 'Here it is. Tell me if you would like another colour, crop or mood.'
}

function words(prompt: string, chinese: boolean) {
  if (/#table|\btable\b|表格/i.test(prompt)) return chinese ? tableZh : tableEn
  if (/#code|\bcode\b|\bfunction\b|代码|函数/i.test(prompt))
    return chinese ? `下面是一个例子：\n\n${code}` : `Here is one way to do it:\n\n${code}`
  if (/#long\b/.test(prompt)) return Array.from({ length: 12 }, () => (chinese ? lightZh : lightEn)).join('\n\n')
  const asked = titleOf(prompt)
  return chinese
    ? `你问的是：“${asked}”。\n\n${lightZh}\n\n需要的话，我可以为你画一张图。`
    : `You asked about **${asked}**.\n\n${lightEn}\n\nIf you like, ask me to draw it.`
}

const codexWords = 'I am Codex, a coding agent running in the Codex CLI. (The request had no instructions of its own.)'

const lightEn = `A few things that usually help:

1. **Light first.** Say where it comes from and how hard it is: *low evening sun from the left*.
2. **One subject.** The rest is setting; name it in a few words.
3. **A lens.** \`35 mm\` tells the model more about distance than a paragraph does.`

const lightZh = `几点建议：

1. **先写光线。** 说明方向和软硬，例如*傍晚低角度侧光*。
2. **只写一个主体。** 其余是环境，几个词就够。
3. **写明镜头。** \`35 mm\` 比一整段描述更清楚。`

const tableEn = `| size | edge | tier |
|---|---:|:-:|
| 1024×1024 | 1024 | 1K |
| 1536×1024 | 1536 | 2K |
| 3840×2160 | 3840 | 4K |`

const tableZh = `| 尺寸 | 长边 | 档位 |
|---|---:|:-:|
| 1024×1024 | 1024 | 1K |
| 1536×1024 | 1536 | 2K |
| 3840×2160 | 3840 | 4K |`

const code = `\`\`\`ts
export function tierOf(width: number, height: number) {
  const edge = Math.max(width, height)
  return edge <= 1024 ? '1K' : edge <= 2048 ? '2K' : '4K'
}
\`\`\``
