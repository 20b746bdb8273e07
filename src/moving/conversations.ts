import { createHash } from 'node:crypto'
import path from 'node:path'
import { insertSnapshot } from '../chat/archive/import.ts'
import type { Snapshot } from '../chat/archive/snapshot.ts'
import { conversationExists } from '../chat/conversation-queries.ts'
import { storable } from '../db/storable.ts'
import { bytesOf, isPicture, type Outcome, takeAssets } from './assets.ts'
import { type OldSnapshot, parseOldSnapshot } from './old-snapshot.ts'
import { type Filing, filePictures, type MoveDeps, NotTaken } from './pictures.ts'
import type { Report } from './report.ts'
import { readSource, type Source, type SourceAsset, type SourceConversation, TooLarge } from './source.ts'
import { listAssets } from './source-queries.ts'

const LARGEST_SNAPSHOT = 64 * 1024 ** 2
const LARGEST_TEXT = 256 * 1024
const LONGEST_TITLE = 200
const LONGEST_NAME = 200

type OldMessage = OldSnapshot['chatMessages'][number]
type Attachment = NonNullable<Snapshot['messages'][number]['attachments']>[number]

interface Taking {
  deps: MoveDeps
  source: Source
  report: Report
  conversation: SourceConversation
  assets: Map<string, SourceAsset>
  /** What became of those that have been looked for: they come as what was made, and as what was shown. */
  outcomes: Map<string, Outcome>
}

/** Brings a conversation with its attachments, and the pictures that were made in it. Safe to repeat. */
export async function takeConversation(
  deps: MoveDeps,
  source: Source,
  conversation: SourceConversation,
  report: Report,
): Promise<void> {
  const { id, userId } = conversation
  const snapshot = await readSnapshot(source, conversation)
  const state = ['pptState', 'spriteState'] as const
  for (const name of state) if (snapshot[name]) report.note(`conversations: ${name} is not taken`, id)
  const assets = await assetsOf(source, conversation, snapshot, report)
  const taking: Taking = { deps, source, report, conversation, assets, outcomes: new Map() }
  const elsewhere = await takeMade(taking, snapshot)
  if (await conversationExists(deps.db, id)) return report.there('conversations')
  const messages = await takeMessages(taking, snapshot)
  if (elsewhere.length > 0) {
    const text = ['Pictures of this conversation that lie elsewhere:', ...elsewhere.map(line => `- ${line}`)].join('\n')
    messages.push(answer(idOf(id, 'elsewhere'), messages.at(-1)?.id ?? null, conversation.updatedAt, text, []))
  }
  if (messages.length === 0) return report.left('conversations', 'there is not a word in it', id)
  const title = storable(conversation.title).slice(0, LONGEST_TITLE).toWellFormed()
  const { createdAt, updatedAt } = conversation
  const head = messages.at(-1)!.id
  const rest = { instructions: '', pinned: false, createdAt, updatedAt, head, messages }
  const isNew = await insertSnapshot(deps, userId, {
    format: 'sub2api-playground conversation',
    version: 1,
    id,
    title,
    ...rest,
  })
  if (isNew) report.taken('conversations')
  else report.there('conversations')
}

/** Throws `NotTaken`. */
async function readSnapshot(source: Source, { id, userId, snapshotPath }: SourceConversation): Promise<OldSnapshot> {
  const usual = `conversations/${userId}/${id}.json`
  const places = [usual, ...(snapshotPath ? [snapshotPath, path.join('conversations', snapshotPath)] : [])]
  try {
    for (const place of places) {
      const bytes = await readSource(source, place, LARGEST_SNAPSHOT)
      if (!bytes) continue
      const snapshot = parseOldSnapshot(bytes)
      if (!snapshot) throw new NotTaken('the snapshot is cut off, or none')
      return snapshot
    }
  } catch (error) {
    if (error instanceof TooLarge) throw new NotTaken('the snapshot is too large', error.message, { cause: error })
    throw error
  }
  throw new NotTaken('the snapshot is missing')
}

/** All that it names and that are its person's: of others nothing is taken. */
async function assetsOf(
  source: Source,
  { id, userId }: SourceConversation,
  { chatMessages, generatedImages }: OldSnapshot,
  report: Report,
): Promise<Map<string, SourceAsset>> {
  const made = generatedImages.map(({ assetToken }) => assetToken).filter(token => token != null)
  const tokens = [...namedIn(chatMessages), ...made]
  if (tokens.length === 0) return new Map()
  const rows = await listAssets(source.db, tokens)
  for (const { publicToken } of rows.filter(asset => asset.userId !== userId)) {
    report.note('conversations: names a file of somebody else', `${id} ${publicToken}`)
  }
  return new Map(rows.filter(asset => asset.userId === userId).map(asset => [asset.publicToken, asset]))
}

/** Files what was made in it; lines about those that lie elsewhere. */
async function takeMade(taking: Taking, { generatedImages }: OldSnapshot): Promise<string[]> {
  const { deps, report, conversation } = taking
  await look(
    taking,
    generatedImages.filter(({ status }) => status !== 'loading').map(({ assetToken }) => assetToken),
  )
  const elsewhere: string[] = []
  const filings: Filing[] = []
  for (const image of generatedImages) {
    const which = `${conversation.id} ${image.id}`
    if (image.status === 'loading') report.left('pictures', 'was still being made', which)
    else if (!image.assetToken) {
      if (image.remoteUrl) elsewhere.push(`${image.prompt} ${image.remoteUrl}`.trim())
      report.left('pictures', image.remoteUrl ? 'lies elsewhere: its address is kept' : 'has no bytes', which)
    } else {
      const token = outcomeOf(taking, image.assetToken)
      const createdAt = dateOf(image.createdAt, conversation.createdAt)
      if (token instanceof NotTaken) report.left('pictures', token.message, `${which} ${token.detail}`.trim())
      else filings.push({ id: idOf(conversation.id, `image ${image.id}`), token, said: { ...image, createdAt } })
    }
  }
  const filed = await filePictures(deps, conversation.userId, filings)
  for (const { id } of filings) report[filed.has(id) ? 'taken' : 'there']('pictures')
  return elsewhere
}

/** All of these at once, unless they have been looked for. */
async function look(
  { deps, source, assets, outcomes }: Taking,
  tokens: readonly (string | null | undefined)[],
): Promise<void> {
  const wanted = new Set(tokens.filter(token => token != null && !outcomes.has(token)))
  const pictures = [...wanted].map(token => assets.get(token!)).filter(asset => asset !== undefined)
  for (const [token, outcome] of await takeAssets(deps, source, pictures)) outcomes.set(token, outcome)
}

function outcomeOf({ outcomes }: Taking, token: string): Outcome {
  return outcomes.get(token) ?? new NotTaken('its file has no row')
}

function namedIn(messages: readonly OldMessage[]): string[] {
  return messages
    .flatMap(({ imageAssetToken, attachments }) => [
      imageAssetToken,
      ...attachments.map(({ assetToken }) => assetToken),
    ])
    .filter(token => token != null)
}

async function takeMessages(taking: Taking, { chatMessages }: OldSnapshot): Promise<Snapshot['messages']> {
  const { conversation, report } = taking
  const isShown = (token: string) => taking.assets.has(token) && isPicture(taking.assets.get(token)!)
  await look(taking, namedIn(chatMessages).filter(isShown))
  const messages: Snapshot['messages'] = []
  let at = conversation.createdAt
  for (const [index, message] of chatMessages.entries()) {
    if (message.role !== 'user' && message.role !== 'assistant') {
      report.note(
        'conversations: a message by neither side is not taken',
        `${conversation.id} ${message.role.slice(0, 20)}`,
      )
      continue
    }
    const { attachments, lines } = await takeAttachments(taking, message)
    const text = storable([message.content, ...lines].filter(Boolean).join('\n\n'))
    if (!text && attachments.length === 0) continue
    // Of one person, one after the other, whatever their clock said.
    at = new Date(Math.max(at.getTime(), dateOf(message.createdAt, at).getTime()))
    const id = idOf(conversation.id, `message ${index} ${message.id}`)
    const parent = messages.at(-1)?.id ?? null
    messages.push(
      message.role === 'user'
        ? { id, parent, role: 'user', createdAt: at, text, ...(attachments.length > 0 && { attachments }) }
        : answer(id, parent, at, text, attachments),
    )
  }
  return messages
}

function answer(id: string, parent: string | null, createdAt: Date, text: string, attachments: Attachment[]) {
  const none = { effort: null, reasoning: '', cutBy: null, inputTokens: null, outputTokens: null, failure: null }
  const placed = attachments.map((attachment, position) => ({ ...attachment, position }))
  return {
    id,
    parent,
    role: 'assistant' as const,
    createdAt,
    text,
    ...(placed.length > 0 && { attachments: placed }),
    answer: { state: 'done' as const, model: '', ...none },
  }
}

/** What can be kept, and a line for each that cannot, or lies elsewhere. */
async function takeAttachments(
  taking: Taking,
  message: OldMessage,
): Promise<{ attachments: Attachment[]; lines: string[] }> {
  const { conversation, report } = taking
  const made = { name: 'picture', assetToken: message.imageAssetToken, externalUrl: message.externalImageUrl }
  const attachments: Attachment[] = []
  const lines: string[] = []
  for (const { name: said, assetToken, externalUrl } of [...message.attachments, made]) {
    const name = storable(said).slice(0, LONGEST_NAME).toWellFormed() || 'file'
    if (!assetToken) {
      if (externalUrl) lines.push(storable(externalUrl))
      continue
    }
    try {
      attachments.push(await takeAttachment(taking, assetToken, name))
    } catch (error) {
      if (!(error instanceof NotTaken)) throw error
      lines.push(`[${name}]`)
      report.note(`attachments: ${error.message}`, `${conversation.id} ${name} ${error.detail}`.trim())
    }
  }
  return { attachments, lines }
}

async function takeAttachment(taking: Taking, publicToken: string, name: string): Promise<Attachment> {
  const { deps, source, assets } = taking
  const asset = assets.get(publicToken)
  if (!asset) throw new NotTaken('its file has no row')
  if (isPicture(asset)) {
    const token = outcomeOf(taking, publicToken)
    if (token instanceof NotTaken) throw token
    return { name, token }
  }
  // A page or a drawing is a text like others here, and is shown as one.
  if (!/^(text\/(plain|markdown|csv)|application\/json)\b/i.test(asset.mimeType)) {
    throw new NotTaken('its type is not taken', asset.mimeType.slice(0, 60))
  }
  const bytes = await bytesOf(deps, source, asset, LARGEST_TEXT)
  return { name, text: storable(bytes.toString('utf8')) }
}

function dateOf(ms: number | null | undefined, otherwise: Date): Date {
  return ms && ms > 0 && ms <= Date.now() ? new Date(ms) : otherwise
}

/** The same each time. As RFC 9562 lays out version 8. */
function idOf(conversation: string, name: string): string {
  const bytes = createHash('sha256').update(`${conversation} ${name}`).digest().subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
