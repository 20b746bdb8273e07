import type { Account } from '../../account/queries.ts'
import type { Deps } from '../../deps.ts'
import { viewNewest } from '../../spend/receipt-view.ts'
import type { EventStream } from '../../web/event-stream.ts'
import type { Views } from '../../web/views.gen.ts'
import { type Delta, listDeltas } from '../answer/claim-queries.ts'
import type { Part } from '../branch.ts'
import { type Conversation, findConversation } from '../conversation-queries.ts'
import { listReplies } from '../reply-queries.ts'
import { type Growth, grow, loadGrowth, loadThread, readPulse, type Thread } from './thread.ts'
import { loadUsed } from './used.ts'
import type { AnswerView, MessageView } from './view.ts'

export interface Page {
  render<K extends keyof Views>(view: K, data: Views[K]): string
  account(): Promise<Account | null>
  /** Brings the balance of the page up to date. */
  refresh(): Promise<void>
}

/**
 * Keeps one open page of a conversation up to date: sends what is new since what it shows, then every change as it
 * happens, in whichever process. Text goes out as `t` (more of it) and `b` (blocks that are complete, in place of the text
 * since the last), reasoning as `r`, the end of an answer as `e`; everything else as fragments.
 */
export function followThread(
  deps: Pick<Deps, 'db' | 'config' | 'listener' | 'log'>,
  page: Page,
  conversation: Conversation,
  part: Part,
  stream: EventStream,
  /** The pulse of what the browser shows already. */
  shown: string,
): void {
  const { db } = deps
  const news = new Set<'text' | 'change' | 'balance'>(['change'])
  let thread: Thread | null = null
  /** Answers whose cost the page shows. */
  const told = new Set<string>()
  let title = conversation.title
  /** The first message that the page is told of. */
  let first = part.from
  let busy = false

  const unheard = deps.listener.on(conversation.id, payload => {
    const what = payload?.split(' ')[1]
    news.add(what === 'text' || what === 'balance' ? what : 'change')
    void tellNews()
  })
  stream.onClose(unheard)
  void tellNews()

  async function tellNews(): Promise<void> {
    if (busy) return
    busy = true
    try {
      while (news.size > 0 && !stream.closed) {
        const hasChange = news.delete('change')
        const hasText = news.delete('text')
        if (hasChange) await tellChange()
        else if (hasText && thread?.growth) await tellText(thread.growth)
        if (news.delete('balance')) await tellPayment()
        await stream.drained()
      }
    } catch (error) {
      // The browser connects again, and is told everything then.
      deps.log.warn({ err: error, conversation: conversation.id }, 'a page could not be kept up to date')
      stream.end()
    } finally {
      busy = false
    }
  }

  async function tellChange(): Promise<void> {
    const current = await findConversation(db, conversation.userId, conversation.id)
    if (!current || current.deletedAt) return stream.end()
    const next = await loadThread(deps, current, { ...part, from: first }, await page.account())
    const before = thread
    thread = next
    const has = readPulse(shown)
    const anew = first !== next.view.first
    first = next.view.first
    if (before && !anew) {
      tellDifference(before, next)
    } else if (before || stream.again || has.tag !== next.view.tag) {
      stream.send(page.render('chat/_sync', { thread: next.view, anew }))
      showCosts(next.view.messages)
    } else {
      // The page came with the beginning of this answer: what follows it is still to be told.
      if (next.growth) next.growth = await catchUp(next.growth.messageId, has.seq)
      if (has.costs === readPulse(next.view.pulse).costs) showCosts(next.view.messages)
      else await tellCosts()
    }
    if (current.title !== title) {
      title = current.title
      stream.send(page.render('chat/_renamed', { id: current.id, title }))
    }
  }

  function tellDifference(before: Thread, next: Thread): void {
    const [old, now] = [before.view.messages, next.view.messages]
    let same = 0
    while (same < old.length && old[same]?.id === now[same]?.id) same++
    const ended = before.growth && now.slice(0, same).find(message => isEndOf(message, before.growth!))
    if (ended) tellEnd(ended as AnswerView, before.growth!)
    const changed = now.slice(0, same).filter((message, index) => message.tag !== old[index]!.tag && message !== ended)
    const removed = old.slice(same).map(message => message.id)
    const added = now.slice(same)
    if (before.view.tag === next.view.tag) {
      // Woken for more text, at the same time.
      if (before.growth && next.growth) next.growth = before.growth
      news.add('text')
      return
    }
    if (before.growth && next.growth?.messageId === before.growth.messageId && !changed.some(isWriting(next.growth))) {
      next.growth = before.growth
      news.add('text')
    }
    const foot = (ended as AnswerView | undefined) ?? null
    stream.send(page.render('chat/_changes', { thread: next.view, changed, removed, added, ended: foot }))
    showCosts([...changed, ...added, ...(foot ? [foot] : [])])
  }

  /** What is left of the answer, so that the whole is what its row has; or all of it anew, where that differs. */
  function tellEnd(answer: AnswerView, growth: Growth): void {
    const sent = growth.markdown.html
    const { reasoning } = growth
    if (answer.reasoning.startsWith(reasoning) && answer.reasoning !== reasoning) {
      stream.send(answer.reasoning.slice(reasoning.length), 'r')
    }
    if (answer.html.startsWith(sent)) stream.send(`${answer.state}\n${answer.html.slice(sent.length)}`, 'e')
    else stream.send(`${answer.state} anew\n${answer.html}`, 'e')
  }

  async function tellText(growth: Growth): Promise<void> {
    await tell(growth, await listDeltas(db, growth.messageId, growth.seq))
  }

  async function catchUp(messageId: string, seq: number): Promise<Growth> {
    const growth = await loadGrowth(db, conversation.userId, messageId, seq)
    await tell(growth, await listDeltas(db, messageId, growth.seq))
    return growth
  }

  async function tell(growth: Growth, deltas: readonly Delta[]): Promise<void> {
    let blocks = ''
    let words = ''
    let reasoning = ''
    for (const delta of deltas) {
      const done = await grow(growth, delta)
      blocks += done
      if (done) words = growth.markdown.tail
      else if (delta.kind === 'text') words += delta.text
      else reasoning += delta.text
    }
    if (reasoning) stream.send(reasoning, 'r')
    if (blocks) stream.send(blocks.trimEnd(), 'b')
    if (words) stream.send(words, 't')
  }

  async function tellPayment(): Promise<void> {
    await page.refresh()
    stream.send(page.render('chat/_balance', {}))
    await tellCosts()
    stream.send(page.render('chat/_spent', { used: await loadUsed(db, conversation) }))
  }

  async function tellCosts(): Promise<void> {
    const answers = (thread?.view.messages ?? []).filter(message => message.role === 'assistant')
    const open = answers.filter(({ id }) => !told.has(id))
    const ids = open.map(({ id }) => id)
    const costs = new Map((await listReplies(db, ids)).map(reply => [reply.messageId, reply.cost]))
    const receipts = await viewNewest(db, conversation.userId, 'answer', ids)
    for (const message of open) {
      message.cost = costs.get(message.id) ?? null
      if (message.cost === null) continue
      message.receipt = receipts.get(message.id) ?? null
      stream.send(page.render('chat/_paid', { message }))
    }
    showCosts(open)
  }

  function showCosts(messages: readonly MessageView[]): void {
    for (const message of messages) if (message.role === 'assistant' && message.cost !== null) told.add(message.id)
  }
}

function isEndOf(message: MessageView, growth: Growth): boolean {
  return message.id === growth.messageId && message.role === 'assistant' && message.isOver
}

function isWriting(growth: Growth) {
  return (message: MessageView) => message.id === growth.messageId
}

/** A fragment without the indentation of its template; what a person typed and code keep theirs. */
export function tidy(html: string): string {
  const parts = html.split(/(<(pre|textarea)\b[\s\S]*?<\/\2>)/)
  // Of three in a row the first is between, the second the whole element, the third its name.
  return parts.map((part, index) => (index % 3 === 0 ? withoutIndents(part) : index % 3 === 1 ? part : '')).join('')
}

/** White space from a line's end to the next element. Each run is looked at once, however long somebody made it. */
function withoutIndents(html: string): string {
  return html.replace(/\s+/g, (run, at: number) => {
    const next = html[at + run.length]
    const end = next === '<' || next === undefined ? run.indexOf('\n') : -1
    return end < 0 ? run : run.slice(0, end)
  })
}
