// biome-ignore-all format: generated
// Written by scripts/check-templates.ts from the first line of every template and the English catalogue.
export interface Views {
  _budget: { notice: NonNullable<import('../web/page.ts').Viewer['budgetNotice']> }
  _bulletin: { bulletin: import('../web/page.ts').Page['bulletin'] }
  _error: { status: number; title: string; message: string; see: import('../web/errors.ts').See | null; requestId: string | null; back: string }
  _file: { id: string; accept: string; required?: true }
  _held: Record<never, never>
  _keyboard: Record<never, never>
  _said: { said: import('../web/errors.ts').Said }
  _typed: { form: import('../web/typed-form.ts').TypedForm; sentence: string; droppable: boolean }
  'account/_balance': { place: 'rail' | 'page' }
  'account/_balances': Record<never, never>
  'account/_key': Record<never, never>
  'account/_key_changed': Record<never, never>
  'account/_keys': { keys: import('../account/view.ts').KeysView }
  'account/_obstacle': { obstacle: import('../account/view.ts').ObstacleView | null; next: string; post: string; swaps: 'form' | 'nothing' }
  'account/index': { keys: import('../account/view.ts').KeysView; signIns: import('../session/view.ts').SignInView[]; editPreviews: import('../account/view.ts').EditPreviewsView; days: import('../account/view.ts').DaysView; hushed: number; pendingNotice: string | null; asOf: string }
  'admin/_acts': { acts: import('../admin/view.ts').ActView[] }
  'admin/_failures': { failures: import('../admin/view.ts').QueueView['failures'] }
  'admin/_nav': { at: 'overview' | 'queue' | 'people' | 'money' | 'bulletin' | 'log' }
  'admin/_outstanding': { outstanding: import('../spend/admin-queries.ts').Outstanding }
  'admin/_people': { people: import('../admin/view.ts').PersonView[] }
  'admin/_quality': { quality: import('../spend/quality.ts').Quality }
  'admin/_range': { url: string; hours: number }
  'admin/_tally': { pictures: import('../images/admin-queries.ts').Tally; answers: import('../images/admin-queries.ts').Tally }
  'admin/bulletin': { told: import('../admin/view.ts').BulletinView }
  'admin/index': { overview: import('../admin/view.ts').OverviewView }
  'admin/log': { log: import('../admin/view.ts').LogView }
  'admin/money': { told: import('../admin/view.ts').MoneyView }
  'admin/people': { people: import('../admin/view.ts').PeopleView }
  'admin/person': { person: import('../admin/view.ts').PersonView; acts: import('../admin/view.ts').ActView[] }
  'admin/queue': { queue: import('../admin/view.ts').QueueView }
  'admin/status': { status: import('../admin/view.ts').StatusView }
  'agents/_obstacle': { id: string; obstacle: import('../account/view.ts').ObstacleView }
  'agents/_payers': { payers: import('../agents/view.ts').PayersView; chosen: string; id: string }
  'agents/index': { keys: import('../agents/view.ts').SshKeyView[]; form: import('../agents/view.ts').BindForm; payers: import('../agents/view.ts').PayersView }
  'agents/show': import('../agents/view.ts').SshKeyPage
  'chat/_above': { thread: import('../chat/page/view.ts').ThreadView }
  'chat/_answer': { message: import('../chat/page/view.ts').AnswerView }
  'chat/_answer_foot': { message: import('../chat/page/view.ts').AnswerView }
  'chat/_answer_wait': { message: import('../chat/page/view.ts').AnswerView; until: Date; window: import('../gateway/windows.ts').WindowName }
  'chat/_around': { thread: import('../chat/page/view.ts').ThreadView }
  'chat/_aside': { list: import('../chat/page/view.ts').ListView }
  'chat/_asked': { submission: string }
  'chat/_attached': { attachment: import('../chat/page/view.ts').AttachmentView }
  'chat/_attachment': { attachment: import('../chat/page/view.ts').AttachmentView }
  'chat/_balance': Record<never, never>
  'chat/_branches': { message: import('../chat/page/view.ts').MessageView }
  'chat/_card': { message: import('../chat/page/view.ts').ToolView }
  'chat/_changes': { thread: import('../chat/page/view.ts').ThreadView; changed: import('../chat/page/view.ts').MessageView[]; removed: string[]; added: import('../chat/page/view.ts').MessageView[]; ended: import('../chat/page/view.ts').AnswerView | null }
  'chat/_composer': { composer: import('../chat/page/view.ts').ChatComposerView }
  'chat/_dock': { conversationId: string | null; writing: string | null }
  'chat/_facts': { message: import('../chat/page/view.ts').AnswerView }
  'chat/_found': { found: import('../chat/page/view.ts').FoundView }
  'chat/_head': { thread: import('../chat/page/view.ts').ThreadView | null; settings: import('../chat/page/view.ts').ChatSettingsView }
  'chat/_in_line': { row: import('../chat/page/view.ts').LineView }
  'chat/_line': { line: import('../chat/page/view.ts').LineView[] }
  'chat/_list': { list: import('../chat/page/view.ts').ListView }
  'chat/_message': { message: import('../chat/page/view.ts').MessageView }
  'chat/_older': { thread: import('../chat/page/view.ts').ThreadView }
  'chat/_paid': { message: import('../chat/page/view.ts').AnswerView }
  'chat/_parent': { parent: string | null }
  'chat/_pulse': { pulse: string }
  'chat/_refusal': { said: import('../web/errors.ts').Said }
  'chat/_removed': { removed: { conversationId: string; messageId: string } | null }
  'chat/_renamed': { id: string; title: string }
  'chat/_row': { row: import('../chat/page/view.ts').RowView }
  'chat/_rows': { list: import('../chat/page/view.ts').ListView }
  'chat/_spent': { used: import('../chat/page/view.ts').UsedView }
  'chat/_submission': { submission: string }
  'chat/_sync': { thread: import('../chat/page/view.ts').ThreadView; anew: boolean }
  'chat/_taken_back': { text: string; attachments: import('../chat/page/view.ts').AttachmentView[] }
  'chat/_tool': { message: import('../chat/page/view.ts').ToolView }
  'chat/_unlined': { unlined: { conversationId: string; rowId: string } | null }
  'chat/_used': { used: import('../chat/page/view.ts').UsedView }
  'chat/_user': { message: import('../chat/page/view.ts').UserView }
  'chat/index': { list: import('../chat/page/view.ts').ListView; thread: import('../chat/page/view.ts').ThreadView | null; found: import('../chat/page/view.ts').FoundView | null; composer: import('../chat/page/view.ts').ChatComposerView; settings: import('../chat/page/view.ts').ChatSettingsView; deleted: import('../chat/page/view.ts').RowView | null; removed: { conversationId: string; messageId: string } | null; unlined: { conversationId: string; rowId: string } | null; kept: import('../images/view.ts').KeptDraftView[]; putAway: string | null }
  'departures/index': { email: string; counts: { pictures: number; conversations: number; shown: number; sshKeys: number }; error: string | null }
  'derive/crop': { source: import('../derive/view.ts').SourceView; values: import('../derive/view.ts').CropForm; sentence: string | null }
  'derive/cut-out': { source: import('../derive/view.ts').SourceView; background: import('../derive/view.ts').CutOutView; values: import('../derive/view.ts').CutOutForm; limits: { tolerance: number; feather: number }; sentence: string | null }
  'derive/extend': { source: import('../derive/view.ts').SourceView; values: import('../derive/view.ts').ExtendForm; sentence: string | null }
  'derive/marks': { source: import('../derive/view.ts').SourceView; rows: import('../derive/view.ts').MarkForm[]; sentence: string | null }
  'derive/sheet': { ids: string[]; most: { pdf: number; png: number }; back: string; hasLetters: boolean }
  error: { status: number; title: string; message: string; see: import('../web/errors.ts').See | null; requestId: string | null; form: import('../web/typed-form.ts').TypedForm | null }
  'exports/_list': { exports: import('../exports/view.ts').ExportView[] }
  'exports/index': { exports: import('../exports/view.ts').ExportView[] }
  'gallery/_judge': { id: string; hidden: boolean; reported: boolean }
  'gallery/_like': { exhibit: import('../gallery/view.ts').ExhibitView }
  'gallery/_older': { list: Pick<import('../gallery/view.ts').GalleryView, 'exhibits' | 'older' | 'through'> }
  'gallery/_sharing': { share: import('../gallery/long-share-queries.ts').Share; isAsked?: boolean }
  'gallery/_tile': { exhibit: import('../gallery/view.ts').ExhibitView }
  'gallery/index': { gallery: import('../gallery/view.ts').GalleryView }
  'gallery/mine': { shares: import('../gallery/long-share-queries.ts').Share[]; exhibits: import('../gallery/view.ts').ExhibitView[]; older: string | null; name: string | null; blocked: { id: string; name: string }[] }
  'gallery/reports': { reported: import('../gallery/moderation-queries.ts').Reported[]; hidden: import('../gallery/moderation-queries.ts').Reported[] }
  'gallery/share': { form: import('../gallery/view.ts').ShareForm }
  'gallery/share-pictures': { id: string; pictures: import('../gallery/view.ts').PictureToShare[]; after: number; total: number; next: number | null }
  'gallery/show': { exhibit: import('../gallery/view.ts').ExhibitView; card: import('../gallery/view.ts').CardView; report: { reason: string; words: string; toldAt: Date; isOpen: boolean } | null }
  'images/_advice': { advice: import('../images/advice.ts').Advice | null }
  'images/_arrival': { job: import('../images/view.ts').JobView }
  'images/_arrived': { jobs: import('../images/view.ts').JobView[]; unfinished: import('../images/view.ts').OpenJob[] }
  'images/_batch': { batch: import('../images/view.ts').BatchView }
  'images/_batch_form': { batch: import('../images/view.ts').BatchForm }
  'images/_batch_preview': { batch: import('../images/view.ts').BatchForm }
  'images/_clear': { dismissed: string | null; count: number }
  'images/_composer': { composer: import('../images/view.ts').ComposerView }
  'images/_created': { job: import('../images/view.ts').JobView; again: boolean; unfinished: import('../images/view.ts').OpenJob[]; composer: import('../images/view.ts').ComposerView | null; retried: import('../images/view.ts').JobView | null }
  'images/_dismissed': { ids: string[]; at: string | null }
  'images/_doubt': { question: import('../images/view.ts').DoubtView }
  'images/_estimate': { usd: number; size: string }
  'images/_failure': { job: import('../images/view.ts').JobView }
  'images/_go_on': { question: import('../images/view.ts').DoubtView; swaps: boolean }
  'images/_history': { history: import('../images/view.ts').HistoryView }
  'images/_job': { job: import('../images/view.ts').JobView }
  'images/_job_page': { job: import('../images/view.ts').JobView; receipt: import('../spend/view.ts').ReceiptView | null }
  'images/_kept_draft': { draft: import('../images/view.ts').KeptDraftView; at: '/images' | '/chat' }
  'images/_kept_drafts': { kept: import('../images/view.ts').KeptDraftView[]; putAway: string | null; at: '/images' | '/chat' }
  'images/_mask': { mask: import('../images/view.ts').MaskView | null; reference: import('../images/view.ts').ReferenceView | null }
  'images/_mask_error': { sentence: string }
  'images/_mosaic': { job: import('../images/view.ts').JobView; columns: number; sizes?: string }
  'images/_not_honoured': { honour: import('../account/honours.ts').Honour }
  'images/_older': { days: { label: string; jobs: import('../images/view.ts').JobView[] }[]; older: string | null }
  'images/_place': { id: string; to: import('../images/place.ts').Move }
  'images/_prompts': { prompts: string[] }
  'images/_pulse': { jobs: import('../images/view.ts').OpenJob[] }
  'images/_quote': { quote: import('../images/view.ts').QuoteView }
  'images/_quoted': { quote: import('../images/view.ts').QuoteView; advice: import('../images/advice.ts').Advice | null }
  'images/_reference': { reference: import('../images/view.ts').ReferenceView }
  'images/_references': { composer: import('../images/view.ts').ComposerView }
  'images/_retry': { job: import('../images/view.ts').JobView }
  'images/_tiles': { changed: import('../images/view.ts').JobView[]; unfinished: import('../images/view.ts').OpenJob[] }
  'images/_unfetched': { job: import('../images/view.ts').JobView }
  'images/_unsent': Record<never, never>
  'images/_usual': { usual: import('../spend/how-long.ts').Usual }
  'images/_variations': { job: import('../images/view.ts').JobView }
  'images/_wait': { job: import('../images/view.ts').JobView }
  'images/_word': { word: string }
  'images/batch': { batch: import('../images/view.ts').BatchForm }
  'images/batch_show': { batch: import('../images/view.ts').BatchView }
  'images/doubt': { question: import('../images/view.ts').DoubtView }
  'images/index': { composer: import('../images/view.ts').ComposerView; days: { label: string; jobs: import('../images/view.ts').JobView[] }[]; older: string | null; history: import('../images/view.ts').HistoryView | null; arrivals: string | null; unfinished: import('../images/view.ts').OpenJob[]; dismissed: string | null; kept: import('../images/view.ts').KeptDraftView[]; putAway: string | null; undo: string | null; shareAgain: boolean; examples: readonly import('../images/examples.ts').ExampleName[] }
  'images/mask': { reference: import('../images/view.ts').ReferenceView; painted: { width: number; height: number }; mask: import('../images/view.ts').MaskView | null; values: { x: string; y: string; width: string; height: string }; sentence: string | null }
  'images/show': { job: import('../images/view.ts').JobView; receipt: import('../spend/view.ts').ReceiptView | null }
  'imports/_report': { report: import('../imports/view.ts').ImportView; lists: import('../imports/view.ts').EntriesView[] }
  'imports/index': { imports: import('../imports/view.ts').ImportView[]; limit: string }
  'imports/show': { report: import('../imports/view.ts').ImportView; lists: import('../imports/view.ts').EntriesView[] }
  layout: { title: string; styles: ('pictures' | 'images' | 'library' | 'derive' | 'gallery' | 'chat' | 'account' | 'spend' | 'admin')[]; card?: import('../gallery/view.ts').CardView; feed?: string; isPalette?: true }
  'library/_cell': { tile: import('../library/view.ts').TileView; query: string }
  'library/_change': { change: import('../library/view.ts').ChangeView; back: string; isAsked?: boolean }
  'library/_changed': { picture: import('../library/view.ts').PictureView }
  'library/_condition': { picture: import('../library/view.ts').PictureView }
  'library/_dates': { years: import('../library/view.ts').LibraryView['years'] }
  'library/_derived': { id: string; derived: import('../library/derived.ts').Derived }
  'library/_details': { picture: import('../library/view.ts').PictureView; details: import('../library/view.ts').DetailsView }
  'library/_facts': { picture: import('../library/view.ts').PictureView }
  'library/_filters': { filters: import('../library/view.ts').FiltersView }
  'library/_folder': { folder: import('../library/view.ts').FolderView; others: import('../library/view.ts').FolderView[] }
  'library/_lightbox': Record<never, never>
  'library/_lineage': { picture: import('../library/view.ts').PictureView; lineage: import('../library/view.ts').LineageView }
  'library/_names': { folders: string[]; tags: string[] }
  'library/_not_arrived': { to: string }
  'library/_older': { list: import('../library/view.ts').TilesView }
  'library/_refused': { file: import('../library/refused.ts').RefusedView; to: string; swaps: boolean }
  'library/_selection': { total: number; asOf: string; back: string }
  'library/_tile': { picture: import('../library/view.ts').PictureView; sizes?: string }
  'library/_trashed': { picture: import('../library/view.ts').PictureView; daysLeft: number }
  'library/compare': { a: import('../library/view.ts').PictureView; b: import('../library/view.ts').PictureView }
  'library/filters': { filters: import('../library/view.ts').FiltersView }
  'library/folders': { folders: import('../library/view.ts').FolderView[]; change: import('../library/view.ts').ChangeView | null }
  'library/index': { library: import('../library/view.ts').LibraryView }
  'library/show': { picture: import('../library/view.ts').PictureView; newer: string | null; older: string | null; back: string; lineage: import('../library/view.ts').LineageView; details: import('../library/view.ts').DetailsView; change: import('../library/view.ts').ChangeView | null; receipt: import('../spend/view.ts').ReceiptView | null }
  'library/storage': { use: import('../library/view.ts').UseView }
  'library/trash': { trash: import('../library/view.ts').TrashView }
  'palette/_commands': { words: string | null }
  'palette/_dialog': Record<never, never>
  'palette/_found': { found: import('../palette/view.ts').FoundView }
  'palette/_list': { found: import('../palette/view.ts').FoundView }
  'palette/_search': { words: string | null; back: string }
  'palette/index': { found: import('../palette/view.ts').FoundView }
  'prompts/_prompt': { prompt: import('../prompts/view.ts').PromptView }
  'prompts/_saved': { id: string; name: string }
  'prompts/_suggestion': { suggestion: import('../prompts/suggestion-view.ts').SuggestionView }
  'prompts/index': { mine: import('../prompts/view.ts').PromptView[]; suggested: import('../prompts/view.ts').SuggestedView[]; subjects: import('../prompts/view.ts').SubjectView[]; deleted: import('../prompts/view.ts').DeletedView | null }
  'prompts/suggestion': { suggestion: import('../prompts/suggestion-view.ts').SuggestionView }
  'session/code': { maskedEmail: string; error: string | null; next: string }
  'session/continue': { email: string; current: string | null }
  'session/login': { email: string; next: string; error: string | null; notice: string | null; captcha: import('../session/view.ts').Captcha; gatewayUrl: string; siteName: string }
  'session/own-window': { sentence: string; path: string; framed: boolean }
  'spend/_chart': { days: NonNullable<import('../spend/view.ts').SpendView['days']> }
  'spend/_receipt': { receipt: import('../spend/view.ts').ReceiptView }
  'spend/_today': { usd: number }
  'spend/_verdict': { id: string; address: string; verdict: import('../spend/evidence.ts').MoneyView; mayCheck: boolean }
  'spend/budgets': import('../spend/budget-view.ts').BudgetsPage
  'spend/index': { spend: import('../spend/view.ts').SpendView }
  'spend/receipt': { receipt: import('../spend/view.ts').ReceiptView; sheet: import('../spend/view.ts').SheetView }
}

/** The words of each room, as its English file has them. */
export interface Words {
  account: typeof import('../../views/catalogue/en/account.json', { with: { type: 'json' } })
  admin: typeof import('../../views/catalogue/en/admin.json', { with: { type: 'json' } })
  agents: typeof import('../../views/catalogue/en/agents.json', { with: { type: 'json' } })
  chat: typeof import('../../views/catalogue/en/chat.json', { with: { type: 'json' } })
  common: typeof import('../../views/catalogue/en/common.json', { with: { type: 'json' } })
  departures: typeof import('../../views/catalogue/en/departures.json', { with: { type: 'json' } })
  derive: typeof import('../../views/catalogue/en/derive.json', { with: { type: 'json' } })
  errors: typeof import('../../views/catalogue/en/errors.json', { with: { type: 'json' } })
  exports: typeof import('../../views/catalogue/en/exports.json', { with: { type: 'json' } })
  gallery: typeof import('../../views/catalogue/en/gallery.json', { with: { type: 'json' } })
  images: typeof import('../../views/catalogue/en/images.json', { with: { type: 'json' } })
  imports: typeof import('../../views/catalogue/en/imports.json', { with: { type: 'json' } })
  keyboard: typeof import('../../views/catalogue/en/keyboard.json', { with: { type: 'json' } })
  library: typeof import('../../views/catalogue/en/library.json', { with: { type: 'json' } })
  nav: typeof import('../../views/catalogue/en/nav.json', { with: { type: 'json' } })
  operators: typeof import('../../views/catalogue/en/operators.json', { with: { type: 'json' } })
  palette: typeof import('../../views/catalogue/en/palette.json', { with: { type: 'json' } })
  prompts: typeof import('../../views/catalogue/en/prompts.json', { with: { type: 'json' } })
  proxy: typeof import('../../views/catalogue/en/proxy.json', { with: { type: 'json' } })
  session: typeof import('../../views/catalogue/en/session.json', { with: { type: 'json' } })
  spend: typeof import('../../views/catalogue/en/spend.json', { with: { type: 'json' } })
}
