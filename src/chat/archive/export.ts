import type { Translate } from '../../web/i18n.ts'
import { replaceDrawn } from '../answer/drawn.ts'
import type { Branch } from '../branch.ts'
import type { Conversation } from '../conversation-queries.ts'

/** Where what belongs to a conversation is found by whoever reads it elsewhere. */
export interface Places {
  picture(token: string): string
  text(id: string): string
}

/** By their addresses here. */
export function placesAt(origin: string): Places {
  return { picture: token => `${origin}/files/${token}`, text: id => `${origin}/chat/texts/${id}` }
}

/** One branch as Markdown, for people to keep. */
export function exportMarkdown(conversation: Conversation, { turns }: Branch, t: Translate, places: Places): string {
  const parts = [`# ${conversation.title || t('chat.untitled')}`]
  for (const turn of turns) {
    if (turn.kind === 'user') {
      const files = turn.attachments.map(({ name, token }) =>
        token ? `![${escapeName(name)}](${places.picture(token)})` : `📎 ${name}`,
      )
      parts.push(`## ${t('chat.you')}`, quoted(turn.message.text), ...files)
    } else if (turn.kind === 'assistant') {
      parts.push(`## ${turn.reply.model}`, withPictures(turn, places) || t('chat.no_words'))
    } else {
      const pictures = turn.pictures.map(
        picture => `![${escapeName(turn.call.prompt)}](${places.picture(picture.token)})`,
      )
      parts.push(`> ${turn.call.name}: ${turn.call.prompt.replaceAll('\n', '\n> ')}`, ...pictures)
    }
  }
  return `${parts.filter(Boolean).join('\n\n')}\n`
}

/** The text of an answer with the places of its pictures; those that are not in it follow. */
export function withPictures(
  turn: Pick<Extract<Branch['turns'][number], { kind: 'assistant' }>, 'reply' | 'attachments'>,
  places: Places,
): string {
  const left = new Map(turn.attachments.map(each => [each.position, each]))
  const linkTo = ({ name, token, textId }: { name: string; token: string | null; textId: string | null }) =>
    token ? `![${escapeName(name)}](${places.picture(token)})` : `[${escapeName(name)}](${places.text(textId!)})`
  const text = replaceDrawn(turn.reply.text, (index, name) => {
    const attachment = left.get(index)
    left.delete(index)
    return attachment ? linkTo({ ...attachment, name: name || attachment.name }) : `[${name}]`
  })
  return [text, ...left.values().map(linkTo)].filter(Boolean).join('\n\n')
}

/** Hash marks at the start of a line would look like our own headings. */
function quoted(text: string): string {
  return text.replace(/^(#{1,6} )/gm, '\\$1')
}

function escapeName(name: string): string {
  return name.replace(/[[\]\n\\]/g, ' ').slice(0, 120)
}
