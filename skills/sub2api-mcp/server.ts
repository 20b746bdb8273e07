import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { Failure } from './failure.ts'
import { prepareFolder, readReferences, savePicture } from './pictures.ts'
import { createPlayground, isOver, type Task } from './playground.ts'
import { createTransport } from './transport.ts'

const url = playgroundUrl(process.env.SUB2API_PLAYGROUND_URL || 'http://127.0.0.1:8081')
const transport = createTransport(url, process.env.SUB2API_USER_AGENT || 'sub2api-mcp/1.0')
const playground = createPlayground(transport, process.env.SUB2API_SSH_KEY || null)
const server = new McpServer(
  { name: 'sub2api-image', version: '1.0.0' },
  {
    instructions:
      'Makes pictures on a Sub2API Image Playground. create_image answers at once with a task id; ask image_status ' +
      'with wait_seconds until the task is completed, then download_image; cancel_image stops one. find_pictures looks through the whole library. Pictures cost the account money: never ' +
      'again for a task that is queued or processing.',
  },
)

const taskId = z.uuid().describe('As create_image or list_images gave it')
const TaskFacts = {
  task_id: z.string(),
  status: z.string().describe('queued, processing, completed or failed'),
  prompt: z.string().nullish(),
  size: z.string().nullish(),
  created_at: z.string().nullish(),
  updated_at: z.string().nullish(),
  pictures: z.number().describe('How many can be downloaded'),
  error: z.string().nullish(),
  reason: z.string().nullish(),
  charged: z.unknown().optional(),
  cost: z.number().nullish().describe('US dollars that were charged, once they are known'),
  usual_seconds: z
    .object({ from: z.number(), to: z.number() })
    .nullish()
    .describe('How long eight of ten like it took lately; null while that is not known, and of what is over'),
  verdict: z
    .string()
    .nullish()
    .describe('Whether it delivered and cost what was asked for: as_asked, not_settled yet, or what differs'),
}

server.registerTool(
  'create_image',
  {
    title: 'Create pictures',
    description:
      'Asks for pictures from a prompt, or for an edit when references are given. Costs money. Returns a task id at once.',
    // What is not known is refused: left out, it would pay for something else.
    inputSchema: z.strictObject({
      prompt: z.string().min(1).describe('What to paint, or how to change the references; at most 32,000 characters'),
      references: z
        .array(z.string())
        .max(16)
        .default([])
        .describe('Paths of PNG, JPEG or WebP pictures on this machine to start from, at most 20 MiB each'),
      mask: z.string().optional().describe('Path of a PNG whose transparent parts may change'),
      size: z.string().default('1024x1024').describe('WIDTHxHEIGHT or auto'),
      quality: z.enum(['low', 'medium', 'high', 'auto']).default('high'),
      model: z.string().default('gpt-image-2'),
      n: z.int().min(1).max(10).default(1).describe('How many pictures'),
      format: z.enum(['png', 'jpeg', 'webp']).default('png'),
      idempotency_key: z
        .string()
        .regex(/^[\x21-\x7e]{1,128}$/)
        .optional()
        .describe('Only to repeat a call whose outcome is unclear: the same key makes, and pays, one task only'),
    }),
    outputSchema: {
      task_id: z.string(),
      status: z.string(),
      message: z.string().nullish(),
      warnings: z
        .array(z.looseObject({ parameter: z.string(), message: z.string() }))
        .nullish()
        .describe('What was asked for that the API key which pays has not done lately: tell the user'),
    },
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  },
  ({ references, mask, format, idempotency_key: key, ...rest }, { signal }) =>
    answer(async () => {
      if (mask !== undefined && references.length === 0) throw new Failure('A mask needs a reference')
      const pictures = await readReferences(mask === undefined ? references : [...references, mask])
      const payload = {
        ...rest,
        output_format: format,
        mode: references.length > 0 ? 'edit' : 'generate',
        source: 'mcp',
        ...(references.length > 0 && { images: pictures.slice(0, references.length) }),
        ...(mask !== undefined && { mask: pictures.at(-1) }),
      }
      return playground.createTask(payload, key ?? randomUUID(), signal)
    }),
)

server.registerTool(
  'image_status',
  {
    title: 'How a task stands',
    description: 'Tells whether the pictures of a task are made; can wait for them.',
    inputSchema: {
      task_id: taskId,
      wait_seconds: z.int().min(0).max(50).default(0).describe('How long to wait for the end of the task'),
    },
    outputSchema: TaskFacts,
    annotations: { readOnlyHint: true, openWorldHint: true },
  },
  ({ task_id: id, wait_seconds: seconds }, { signal, _meta, sendNotification }) =>
    answer(async () => {
      const progressToken = _meta?.progressToken
      let progress = 0
      const task = await playground.waitFor(id, seconds, signal, async ({ status }) => {
        if (progressToken === undefined) return
        const params = { progressToken, progress: ++progress, message: status }
        await sendNotification({ method: 'notifications/progress', params })
      })
      return factsOf(task)
    }),
)

server.registerTool(
  'list_images',
  {
    title: 'Recent tasks',
    description: 'Lists the tasks made with this SSH key, the newest first.',
    inputSchema: {
      status: z.enum(['queued', 'processing', 'completed', 'failed']).optional(),
      limit: z.int().min(1).max(100).default(20),
      cursor: z.string().max(500).optional().describe('next_cursor of the page before'),
    },
    outputSchema: { tasks: z.array(z.object(TaskFacts)), next_cursor: z.string().nullish() },
    annotations: { readOnlyHint: true, openWorldHint: true },
  },
  ({ status, limit, cursor }, { signal }) =>
    answer(async () => {
      const filter = { limit: String(limit), ...(status && { status }), ...(cursor && { cursor }) }
      const page = await playground.listTasks(filter, signal)
      return { tasks: page.tasks.map(factsOf), next_cursor: page.next_cursor ?? null }
    }),
)

server.registerTool(
  'download_image',
  {
    title: 'Download pictures',
    description:
      'Saves the pictures of a task that is over as files on this machine; returns their paths, links to them, and small ' +
      'previews. Of a failed task there may be a preview or a part of a picture.',
    inputSchema: {
      task_id: taskId,
      folder: z
        .string()
        .min(1)
        .optional()
        .describe('Where to put them; else SUB2API_DOWNLOAD_DIR, else the working directory of this server'),
    },
    outputSchema: {
      task_id: z.string(),
      status: z.string(),
      files: z.array(z.string()),
      error: z.string().nullish().describe('What is missing, where something is'),
    },
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  },
  ({ task_id: id, folder }, { signal }) => {
    const beside: CallToolResult['content'] = []
    return answer(async () => {
      const task = await playground.findTask(id, signal)
      const { status, error = null } = task
      const pictures = picturesOf(task)
      if (status === 'failed' && pictures.length === 0) {
        throw new Failure(`The task failed: ${error ?? 'no reason was given'}`)
      }
      if (!isOver(task)) throw new Failure(`The task is ${status}: there is nothing to download yet`)
      const target = await prepareFolder(folder ?? (process.env.SUB2API_DOWNLOAD_DIR || '.'))
      const files: string[] = []
      for (const { index, condition } of pictures) {
        const name = `${id}-${index + 1}${condition === 'whole' ? '' : `-${condition}`}`
        const saved = await playground.download(id, index, signal, bytes => savePicture(bytes, target, name))
        files.push(saved.file)
        const preview = await playground.thumbnail(id, index, signal)
        if (preview) beside.push({ type: 'image', data: preview.toString('base64'), mimeType: 'image/webp' })
        const uri = pathToFileURL(saved.file).href
        beside.push({ type: 'resource_link', uri, name: path.basename(saved.file), mimeType: saved.mimeType })
      }
      return { task_id: id, status, files, error }
    }, beside)
  },
)

server.registerTool(
  'cancel_image',
  {
    title: 'Cancel a task',
    description:
      'Stops a task that is queued or processing. What the gateway is making already may be charged all the same; the ' +
      'answer says how the task stands.',
    inputSchema: z.strictObject({ task_id: taskId }),
    outputSchema: TaskFacts,
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  },
  ({ task_id: id }, { signal }) => answer(async () => factsOf(await playground.cancelTask(id, signal))),
)

const PictureFacts = {
  id: z.string(),
  kind: z.string().describe('made, composed or uploaded'),
  prompt: z.string(),
  tags: z.array(z.string()),
  folder: z.object({ id: z.string(), name: z.string() }).nullable(),
  favourite: z.boolean(),
  width: z.number(),
  height: z.number(),
  created_at: z.string(),
  deleted_at: z.string().nullable(),
  cost: z.number().nullable(),
}
const pictureId = z.uuid().describe('As find_pictures gave it')

server.registerTool(
  'find_pictures',
  {
    title: 'Find pictures of the library',
    description:
      'Finds pictures in the whole library of the account, whoever made them: by words, tags, folder, days and more. ' +
      'Every condition given has to be met.',
    // A condition that is not known is refused: without it, something else would be found.
    inputSchema: z.strictObject({
      query: z
        .string()
        .max(200)
        .optional()
        .describe('Words, each in the prompt, the revised prompt, a tag or the folder'),
      tags: z.array(z.string()).max(20).default([]),
      folder: z.string().optional().describe('Its id; none: in no folder'),
      favourite: z.boolean().default(false).describe('Only favourites'),
      kind: z.enum(['pictures', 'made', 'composed', 'uploaded', 'all']).default('pictures'),
      model: z.string().optional(),
      size: z.string().optional().describe('WIDTHxHEIGHT as it is'),
      quality: z.string().optional(),
      from: z.iso.date().optional().describe('The first day, of UTC'),
      until: z.iso.date().optional().describe('The last day, of UTC'),
      sort: z.enum(['newest', 'oldest', 'largest', 'costliest']).default('newest'),
      limit: z.int().min(1).max(100).default(20),
      cursor: z.string().max(100).optional().describe('next_cursor of the page before'),
    }),
    outputSchema: { pictures: z.array(z.object(PictureFacts)), next_cursor: z.string().nullable() },
    annotations: { readOnlyHint: true, openWorldHint: true },
  },
  ({ query, tags, favourite, ...same }, { signal }) =>
    answer(async () => {
      const fields = { q: query, ...same, favourite: favourite ? 'on' : undefined }
      const filter = Object.entries(fields).flatMap(([name, value]): [string, string][] =>
        value === undefined ? [] : [[name, String(value)]],
      )
      const found = await playground.findPictures(
        [...filter, ...tags.map((tag): [string, string] => ['tag', tag])],
        signal,
      )
      return { pictures: found.pictures, next_cursor: found.next_cursor }
    }),
)

server.registerTool(
  'change_pictures',
  {
    title: 'File, tag, star, delete or restore pictures',
    description:
      'Does one thing with pictures of the library, all or none of them; it can be undone for a day. delete moves to the ' +
      'trash for 30 days, and only what this SSH key made: ask the user first.',
    inputSchema: z.strictObject({
      did: z.enum(['favourite', 'unfavourite', 'move', 'tag', 'untag', 'delete', 'restore']),
      ids: z.array(pictureId).min(1).max(1000),
      folder: z.string().optional().describe('Its name, for move; it is made if there is none. Empty: no folder'),
      tags: z.array(z.string()).max(20).optional().describe('For tag and untag'),
    }),
    outputSchema: { change_id: z.string(), count: z.number() },
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  },
  (change, { signal }) => answer(() => playground.changePictures(change, signal)),
)

server.registerTool(
  'undo_change',
  {
    title: 'Undo a change of pictures',
    description: 'Puts everything back as it was before change_pictures.',
    inputSchema: z.strictObject({ change_id: z.uuid() }),
    outputSchema: { undone: z.boolean() },
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  },
  ({ change_id: id }, { signal }) => answer(() => playground.undoChange(id, signal)),
)

server.registerTool(
  'save_picture',
  {
    title: 'Save a picture of the library',
    description:
      'Saves one picture of the library as a file on this machine, bit for bit or as a copy in another format.',
    inputSchema: z.strictObject({
      id: pictureId,
      format: z.enum(['png', 'jpeg', 'webp']).optional().describe('Of the copy; without it, the file as it is'),
      folder: z
        .string()
        .min(1)
        .optional()
        .describe('Where to put it; else SUB2API_DOWNLOAD_DIR, else the working directory of this server'),
    }),
    outputSchema: { file: z.string() },
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  },
  ({ id, format, folder }, { signal }) =>
    answer(async () => {
      const target = await prepareFolder(folder ?? (process.env.SUB2API_DOWNLOAD_DIR || '.'))
      const { file } = await playground.savePicture(id, format, signal, bytes => savePicture(bytes, target, id))
      return { file }
    }),
)

const LONGEST_FAREWELL_MS = 500
// Whoever started it has gone, and nobody hears an answer: what is under way is broken off, and cleared up.
process.stdin.once('end', () => {
  setTimeout(() => process.exit(), LONGEST_FAREWELL_MS).unref()
  void server.close()
})
await server.connect(new StdioServerTransport())

function factsOf({ result, kept, failure, receipt, ...task }: Task) {
  return {
    ...task,
    verdict: receipt?.verdict ?? null,
    reason: failure ?? null,
    pictures: picturesOf({ result, kept }).length,
  }
}

/** Those that can be downloaded and shown. */
function picturesOf({ result, kept }: Pick<Task, 'result' | 'kept'>): { index: number; condition: string }[] {
  const images = result?.images ?? kept ?? []
  return images
    .map(({ condition = 'whole', index }, place) => ({ condition, index: index ?? place }))
    .filter(({ condition }) => condition !== 'undecodable')
}

/** `beside`: what is shown beside the answer. */
async function answer(
  act: () => Promise<Record<string, unknown>>,
  beside: CallToolResult['content'] = [],
): Promise<CallToolResult> {
  try {
    const structuredContent = await act()
    return { structuredContent, content: [{ type: 'text', text: JSON.stringify(structuredContent) }, ...beside] }
  } catch (error) {
    const text = error instanceof Failure ? error.message : `A mistake in this server: ${nameOf(error)}`
    // Whatever was quoted by a server or a tool: what looks like a bearer token does not leave.
    return { isError: true, content: [{ type: 'text', text: text.replace(/\bssh_[\w-]{16,}/g, 'ssh_[hidden]') }] }
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}

/** A mistake in the configuration is told where people look for it, and nothing starts. */
function playgroundUrl(given: string): string {
  const parsed = URL.parse(given)
  if (parsed && /^https?:$/.test(parsed.protocol) && !parsed.username) return given.replace(/\/+$/, '')
  process.stderr.write('SUB2API_PLAYGROUND_URL must be an http:// or https:// address\n')
  process.exit(78)
}
