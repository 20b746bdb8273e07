// biome-ignore-all format: generated
// Written by scripts/check-templates.ts from the first line of every template.
export interface Views {
  _error: { status: number; title: string; message: string; requestId: string | null }
  _keyboard: Record<never, never>
  'account/_balance': { place: 'rail' | 'page' }
  'account/_balances': Record<never, never>
  'account/_key': Record<never, never>
  'account/_keys': { keys: import('../account/view.ts').KeysView }
  'account/index': { keys: import('../account/view.ts').KeysView; signIns: import('../session/view.ts').SignInView[]; pendingNotice: string | null }
  error: { status: number; title: string; message: string; requestId: string | null }
  'images/_composer': { composer: import('../images/view.ts').ComposerView }
  'images/_created': { job: import('../images/view.ts').JobView; again: boolean; unfinished: import('../images/view.ts').JobView[]; composer: import('../images/view.ts').ComposerView | null }
  'images/_failure': { job: import('../images/view.ts').JobView }
  'images/_job': { job: import('../images/view.ts').JobView }
  'images/_job_page': { job: import('../images/view.ts').JobView }
  'images/_mosaic': { job: import('../images/view.ts').JobView; columns: number }
  'images/_older': { days: { label: string; jobs: import('../images/view.ts').JobView[] }[]; older: string | null }
  'images/_pulse': { jobs: import('../images/view.ts').JobView[] }
  'images/_quote': { quote: import('../images/view.ts').QuoteView }
  'images/_retry': { job: import('../images/view.ts').JobView; }
  'images/_tiles': { changed: import('../images/view.ts').JobView[]; unfinished: import('../images/view.ts').JobView[] }
  'images/_wait': { job: import('../images/view.ts').JobView; }
  'images/_word': { word: string }
  'images/index': { composer: import('../images/view.ts').ComposerView; days: { label: string; jobs: import('../images/view.ts').JobView[] }[]; older: string | null; unfinished: import('../images/view.ts').JobView[] }
  'images/show': { job: import('../images/view.ts').JobView }
  layout: { title: string; styles: 'pictures' | 'account' }
  'library/_facts': { picture: import('../library/view.ts').PictureView }
  'library/_lightbox': Record<never, never>
  'library/_older': { pictures: import('../library/view.ts').PictureView[]; older: string | null }
  'library/_tile': { picture: import('../library/view.ts').PictureView }
  'library/index': { pictures: import('../library/view.ts').PictureView[]; older: string | null; filter: 'all' | 'favourites'; undo: import('../library/view.ts').PictureView | null }
  'library/show': { picture: import('../library/view.ts').PictureView; newer: string | null; older: string | null }
  'library/trash': { pictures: import('../library/view.ts').PictureView[]; older: string | null }
  'session/code': { maskedEmail: string; error: string | null; next: string }
  'session/login': { email: string; next: string; error: string | null; notice: string | null; captcha: import('../session/view.ts').Captcha; gatewayUrl: string; siteName: string }
}
