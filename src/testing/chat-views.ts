import type {
  AnswerView,
  AttachmentView,
  ChatComposerView,
  FoundView,
  LineView,
  ListView,
  RowView,
  ThreadView,
  ToolView,
  UserView,
} from '../chat/page/view.ts'
import { failureReasons } from '../gateway/errors.ts'
import type { JobView } from '../images/view.ts'
import { moneyOf } from '../spend/evidence.ts'
import { sentencesOf } from '../spend/sentences.ts'
import type { Views } from '../web/views.gen.ts'
import { sampleReceipt } from './spend-views.ts'

type ChatViews = Extract<keyof Views, `chat/${string}`>

/** What the templates of the chat are rendered with in tests; `jobs` are what a picture of the chat may look like. */
export function chatSamples(jobs: readonly JobView[]): { [K in ChatViews]: Views[K][] } {
  const createdAt = new Date('2026-03-01T12:00:00Z')
  const common = { conversationId: 'c1', tag: 't', branches: null, createdAt }
  const picture: AttachmentView = {
    value: 'picture:abc',
    name: 'A <lighthouse>',
    picture: { url: '/files/a', thumbUrl: '/files/a/thumb', width: 1536, height: 1024 },
    isText: false,
  }
  const attachments: AttachmentView[] = [
    picture,
    { ...picture, picture: null },
    { value: 'text:1', name: 'notes <b>.md', picture: null, isText: true },
  ]
  const user: UserView = {
    ...common,
    id: 'u1',
    role: 'user',
    text: 'A <lighthouse> & "rain"',
    attachments,
    parent: '',
    nextSubmission: 's',
  }
  const answer: AnswerView = {
    ...common,
    id: 'a1',
    role: 'assistant',
    state: 'done',
    model: 'gpt-5.5',
    effort: 'low',
    html: '<p>Words</p>\n',
    tail: '',
    reasoning: 'Thought of <b>',
    seq: -1,
    stopping: false,
    parked: false,
    waitsUntil: null,
    waitsFor: null,
    keyId: 1,
    cutBy: null,
    failure: null,
    drawn: { letters: [], hasPreview: false, waits: null, isMissing: false },
    sentences: { what: 'images.state.unknown', next: [] },
    money: null,
    mayCheck: false,
    receipt: sampleReceipt,
    inputTokens: 1200,
    outputTokens: 34,
    cost: 0.0012,
    isOver: true,
    goesOn: false,
    nextSubmission: 's',
  }
  const writing: AnswerView = {
    ...answer,
    id: 'a2',
    state: 'running',
    tail: 'half <a',
    isOver: false,
    reasoning: '',
    seq: 7,
  }
  const waiting: AnswerView = {
    ...writing,
    id: 'a0',
    state: 'queued',
    waitsUntil: createdAt,
    waitsFor: '7d',
    keyId: 77,
  }
  const answers: AnswerView[] = [
    answer,
    writing,
    waiting,
    { ...writing, id: 'a3', stopping: true },
    { ...writing, id: 'a4', state: 'queued', waitsUntil: createdAt },
    { ...writing, id: 'a4p', state: 'queued', parked: true },
    {
      ...answer,
      id: 'a5',
      state: 'stopped',
      money: moneyOf('unknown', null, null),
      mayCheck: true,
      goesOn: true,
      branches: { index: 2, count: 3, previous: 'a1', next: 'a6' },
    },
    { ...answer, id: 'a6', cutBy: 'max_output_tokens' },
    { ...answer, id: 'a7', cutBy: 'content_filter', outputTokens: null, cost: null },
    { ...answer, id: 'a8', cost: 0.00003 },
    {
      ...answer,
      id: 'a9',
      drawn: {
        letters: [{ url: '/chat/texts/t1', name: 'picture-1.base64.txt' }],
        hasPreview: true,
        waits: 'away',
        isMissing: true,
      },
    },
    ...failureReasons.map((reason, index) => ({
      ...answer,
      id: `f${index}`,
      state: 'unknown' as const,
      failure: {
        reason,
        charged: 'unknown' as const,
        detail: 'moderation_blocked <b>',
        retryAt: null,
        requestId: 'r1',
      },
      sentences: sentencesOf({ of: 'answer', state: 'unknown', reason, charged: 'unknown' }),
      money: moneyOf('unknown', null, null),
      mayCheck: true,
    })),
  ]
  const quote = {
    each: 0.2,
    total: 0.4,
    least: null,
    n: 2,
    refused: null,
    overBalance: null,
    balanceAfter: 12.366,
    terms: '',
    byTokens: null,
    usual: null,
  }
  const tool: ToolView = {
    ...common,
    id: 't1',
    role: 'tool',
    state: 'asked',
    problem: null,
    prompt: 'A <lighthouse>',
    size: '1008x1008',
    n: 2,
    quality: 'high',
    quote,
    sizes: ['auto', '1024x1024'],
    sources: [],
    job: null,
    error: null,
  }
  const tools: ToolView[] = [
    tool,
    { ...tool, id: 't2', sources: [picture], problem: 'size_changed', error: { sentence: 'Too <b> small', see: null } },
    { ...tool, id: 't3', state: 'declined' },
    ...(['unknown_tool', 'unreadable', 'no_prompt', 'no_source', 'not_now', 'only_first'] as const).map(
      (problem, index) => ({
        ...tool,
        id: `r${index}`,
        state: 'refused' as const,
        problem,
      }),
    ),
    ...jobs.map((job, index) => ({
      ...tool,
      id: `j${index}`,
      state: 'painting' as const,
      job,
      problem: 'only_first' as const,
    })),
    { ...tool, id: 't4', state: 'done' },
  ]
  const waits = ['line', 'writing', 'painting', 'asked', null] as const
  const ends = ['failed', 'stopped', 'unknown', 'restored'] as const
  const line: LineView[] = [
    ...waits.map((waitsFor, index) => ({
      id: `w${index}`,
      conversationId: 'c1',
      text: index === 0 ? '' : 'and <then>',
      files: 2,
      held: null,
      waitsFor,
    })),
    ...ends.map((end, index) => ({
      id: `h${index}`,
      conversationId: 'c1',
      text: 'and <then>',
      files: 0,
      held: {
        key: `chat.line.after.${end}` as const,
        params: {},
        see: { href: '/spend/budgets', words: 'spend.budget.link' as const },
      },
      waitsFor: null,
    })),
  ]
  const thread: ThreadView = {
    id: 'c1',
    title: 'A <lighthouse>',
    pinned: true,
    instructions: 'Be <b>',
    messages: [user, answer, tool, writing],
    tag: 'x',
    pulse: 'x.7.1',
    at: 'u1',
    leaf: 'a2',
    first: 'u1',
    hasOlder: true,
    newer: null,
    isEnd: true,
    writing: 'a2',
    unfinished: jobs.slice(0, 1),
    used: { input: 12_345, output: 678, usd: 0.00001, open: 1 },
    line,
  }
  const resting: ThreadView = {
    ...thread,
    id: 'c2',
    title: '',
    pinned: false,
    messages: [user],
    at: null,
    hasOlder: false,
    writing: null,
    unfinished: [],
    used: { input: 0, output: 0, usd: 0, open: 2 },
    line: [],
  }
  const middle: ThreadView = { ...resting, hasOlder: true, newer: 'u1', isEnd: false }
  const found: FoundView = {
    conversationId: 'c1',
    words: '<b>',
    hits: [
      { id: 'u1', role: 'user', before: 'so ', words: '<B>', after: ' it is', url: '/chat/c1?find=x&at=u1#m-u1' },
      { id: 't1', role: 'tool', before: '', words: '<b>', after: '', url: '/chat/c1?find=x&at=t1#m-t1' },
    ],
    hasMore: true,
    index: 1,
  }
  const row: RowView = { id: 'c1', title: 'A <lighthouse>', pinned: true, deleted: false, current: true, found: 'm1' }
  const list: ListView = {
    pinned: [row],
    days: [{ label: 'Today', rows: [{ ...row, id: 'c2', title: '', pinned: false, current: false }] }],
    older: '/chat/list?before=1',
    search: '',
    open: true,
  }
  const none: ListView = { pinned: [], days: [], older: null, search: 'x', open: false }
  const composer: ChatComposerView = {
    conversationId: 'c1',
    parent: 'a1',
    text: '<typed>',
    attachments,
    refused: [{ value: 'empty <b>.md', name: '<b>.md', sentence: '<b>.md is empty.' }],
    models: [
      { id: 'gpt-5.5', efforts: ['low', 'medium', 'high'] },
      { id: 'words-1', efforts: [] },
    ],
    model: 'gpt-5.5',
    effort: 'high',
    submission: 's',
    draft: null,
    error: { sentence: 'Not <b> now', see: { href: '/spend/budgets', words: 'spend.budget.link' } },
    obstacle: { why: 'gone', key: 'mine', blocks: true, until: null, others: [] },
    writing: null,
    line,
    meanwhile: { reloads: false, href: '/chat/c1' },
    waitsForBills: true,
  }
  const first: ChatComposerView = {
    ...composer,
    conversationId: null,
    parent: null,
    draft: 'd1 4',
    error: null,
    obstacle: null,
    meanwhile: null,
    waitsForBills: false,
  }
  const noneKept = { kept: [], putAway: null }
  const settings = { instructions: 'Always <b>', askBeforePaying: true }
  return {
    'chat/_answer': answers.map(message => ({ message })),
    'chat/_answer_foot': answers.map(message => ({ message })),
    'chat/_answer_wait': [{ message: waiting, until: createdAt, window: '7d' }],
    'chat/_above': [{ thread }, { thread: resting }],
    'chat/_around': [{ thread }, { thread: resting }],
    'chat/_aside': [{ list }, { list: none }],
    'chat/_asked': [{ submission: 's' }],
    'chat/_attached': attachments.map(attachment => ({ attachment })),
    'chat/_attachment': attachments.map(attachment => ({ attachment })),
    'chat/_balance': [{}],
    'chat/_branches': [{ message: answers[4]! }, { message: answer }],
    'chat/_card': tools.slice(0, 2).map(message => ({ message })),
    'chat/_changes': [
      { thread, changed: [user], removed: ['m1'], added: [writing], ended: answer },
      { thread: resting, changed: [], removed: [], added: [], ended: null },
    ],
    'chat/_composer': [{ composer }, { composer: first }],
    'chat/_dock': [
      { conversationId: 'c1', writing: 'a2' },
      { conversationId: null, writing: null },
    ],
    'chat/_facts': answers.map(message => ({ message })),
    'chat/_found': [{ found }, { found: { ...found, index: -1 } }, { found: { ...found, hits: [] } }],
    'chat/_head': [
      { thread, settings },
      { thread: null, settings: { ...settings, askBeforePaying: false } },
    ],
    'chat/_in_line': line.map(row => ({ row })),
    'chat/_line': [{ line }, { line: [] }],
    'chat/_list': [{ list }, { list: none }, { list: { ...none, search: '' } }],
    'chat/_message': [user, answer, tool].map(message => ({ message })),
    'chat/_older': [{ thread }, { thread: resting }],
    'chat/_parent': [{ parent: 'a1' }, { parent: null }],
    'chat/_paid': answers.map(message => ({ message })),
    'chat/_pulse': [{ pulse: 'x.7.1' }],
    'chat/_refusal': [{ said: { sentence: 'Not <b>', see: null } }],
    'chat/_removed': [{ removed: { conversationId: 'c1', messageId: 'u1' } }, { removed: null }],
    'chat/_renamed': [{ id: 'c1', title: '<b>' }],
    'chat/_row': [{ row }],
    'chat/_rows': [{ list }],
    'chat/_spent': [{ used: thread.used }],
    'chat/_submission': [{ submission: 's' }],
    'chat/_sync': [
      { thread, anew: false },
      { thread: resting, anew: true },
    ],
    'chat/_taken_back': [{ text: 'and <then>', attachments }],
    'chat/_tool': tools.map(message => ({ message })),
    'chat/_unlined': [{ unlined: { conversationId: 'c1', rowId: 'w1' } }, { unlined: null }],
    'chat/_used': [{ used: thread.used }, { used: resting.used }],
    'chat/_user': [{ message: user }, { message: { ...user, id: 'u2', text: '', branches: answers[4]!.branches } }],
    'chat/index': [
      {
        list,
        thread,
        found,
        composer: { ...composer, writing: 'a2', meanwhile: { reloads: true, href: '/chat/c1?write=on' } },
        settings,
        deleted: null,
        removed: null,
        unlined: null,
        ...noneKept,
      },
      {
        list: none,
        thread: resting,
        found: { ...found, hits: [], index: -1 },
        composer,
        settings,
        deleted: null,
        removed: null,
        unlined: { conversationId: 'c2', rowId: 'w1' },
        ...noneKept,
      },
      {
        list: none,
        thread: middle,
        found: null,
        composer,
        settings,
        deleted: null,
        removed: null,
        unlined: null,
        ...noneKept,
      },
      {
        list: none,
        thread: null,
        found: null,
        composer: first,
        settings,
        deleted: { ...row, deleted: true },
        removed: { conversationId: 'c1', messageId: 'u1' },
        unlined: null,
        kept: [{ page: 'p1', words: 'half a <thought>', files: 1, isDraft: false }],
        putAway: 'p2',
      },
    ],
  }
}

/** Fragments that are not one element with one id. */
export const chatExceptions: readonly (readonly [string, string])[] = [
  ['chat/_above', 'messages above those on the page, and the link to more'],
  ['chat/_around', 'what stands around the thread, in several places'],
  ['chat/_asked', 'the fields of the composer that are new after a message'],
  ['chat/_attached', 'part of a message, which is what has an address'],
  ['chat/_attachment', 'as many at once as files were kept'],
  ['chat/_balance', 'a partial for the rail, sent by a stream'],
  ['chat/_branches', 'part of a message, and nothing when it is the only one'],
  ['chat/_changes', 'everything that changed on an open page, sent by a stream'],
  ['chat/_paid', 'a partial for an answer whose cost is known now, sent by a stream'],
  ['chat/_refusal', 'a partial for the sentence above the form'],
  ['chat/_renamed', 'the title stands in two places'],
  ['chat/_rows', 'days appended below those in the list'],
  ['chat/_spent', 'a partial for what the conversation has used, sent by a stream'],
  ['chat/_taken_back', 'what comes into the box of the composer again'],
  ['chat/_sync', 'the whole thread and what stands around it'],
]
