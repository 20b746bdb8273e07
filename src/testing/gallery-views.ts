import { reasons } from '../gallery/moderation-queries.ts'
import type { ExhibitView, ShareForm } from '../gallery/view.ts'
import type { Views } from '../web/views.gen.ts'

type GalleryViews = Extract<keyof Views, `gallery/${string}`>

/** What the templates of the gallery are rendered with in tests. */
export function gallerySamples(): { [K in GalleryViews]: Views[K][] } {
  const createdAt = new Date('2026-03-01T12:00:00Z')
  const author = { id: 'a', name: 'Alice <lighthouse>', url: '/gallery?by=a' }
  const exhibit: ExhibitView = {
    id: 'e',
    url: '/gallery/e',
    pictureUrl: '/shared/e/picture',
    thumbUrl: '/shared/e/thumb',
    downloadUrl: '/shared/e/picture?download',
    width: 1536,
    height: 1024,
    hasAlpha: false,
    color: '#8899aa',
    prompt: 'A <lighthouse> & "rain"',
    settings: { model: 'gpt-image-2', size: '1536x1024', quality: 'high' },
    likes: 1,
    liked: true,
    author,
    createdAt,
    isListed: true,
    expiresAt: null,
    hiddenBecause: null,
    isMine: false,
  }
  const linked = {
    ...exhibit,
    id: 'l',
    url: '/shared/l',
    isListed: false,
    expiresAt: createdAt,
    isMine: true,
    likes: 0,
  }
  const hidden = {
    ...exhibit,
    id: 'h',
    hiddenBecause: '<lighthouse>',
    isMine: true,
    liked: false,
    likes: 2,
    hasAlpha: true,
  }
  const bare = { ...exhibit, id: 'b', prompt: null, settings: null }
  const card = { title: 'A', url: 'https://p.example/a', image: 'https://p.example/b.jpg', width: 1200, height: 800 }
  const report = { reason: 'rights', words: '<lighthouse>', toldAt: createdAt, isOpen: true }
  const told = reasons.map(reason => ({ reason, words: '<lighthouse>', toldAt: createdAt }))
  const reported = {
    id: 'e',
    authorName: 'R <lighthouse>',
    prompt: '<lighthouse>',
    isListed: true,
    hiddenBecause: null,
    width: 1536,
    height: 1024,
    reports: told,
  }
  const picture = {
    id: 'p',
    thumbUrl: '/files/a/thumb',
    width: 1536,
    height: 1024,
    prompt: '<lighthouse>',
  }
  const form: ShareForm = {
    action: '/gallery/share',
    all: null,
    ids: 'p',
    settings: ['a · b'],
    count: 1,
    left: 0,
    prompts: 1,
    pictures: [picture],
    values: { where: 'gallery', prompt: false, settings: false, name: '', ends: 'week', agreed: false },
    licence: null,
    already: 0,
    errors: {},
  }
  const uploaded = { ...picture, id: 'q', prompt: '' }
  const sharing = { id: 's', state: 'running' as const, isListed: true, total: 2600, done: 200, leftOut: 0 }
  const isMe = { id: 'a', name: '<lighthouse>', isBlocked: false, isMe: true }
  const gallery = {
    exhibits: [exhibit, bare],
    older: '/gallery?before=1',
    through: '/gallery?through=1',
    sort: 'newest' as const,
    q: '',
    author: null,
  }
  const none = { ...gallery, exhibits: [], older: null, through: null }
  return {
    'gallery/_judge': [
      { id: 'e', hidden: false, reported: true },
      { id: 'e', hidden: true, reported: false },
    ],
    'gallery/_like': [{ exhibit }, { exhibit: { ...exhibit, liked: false } }],
    'gallery/_older': [{ list: gallery }, { list: { ...gallery, through: null } }, { list: none }],
    'gallery/_sharing': [
      ...(['queued', 'running', 'done', 'stopped', 'undone'] as const).map(state => ({ share: { ...sharing, state } })),
      { share: { ...sharing, state: 'done', leftOut: 3, isListed: false }, isAsked: true },
    ],
    'gallery/share-pictures': [
      { id: 's', pictures: [picture, uploaded], after: 0, total: 300, next: 120 },
      { id: 's', pictures: [picture], after: 240, total: 300, next: null },
    ],
    'gallery/_tile': [{ exhibit }, { exhibit: bare }, { exhibit: hidden }],
    'gallery/index': [
      { gallery },
      { gallery: { ...gallery, author: isMe, sort: 'liked', q: '<lighthouse>' } },
      { gallery: { ...gallery, author: { ...isMe, isMe: false, isBlocked: true } } },
      { gallery: none },
      { gallery: { ...none, q: '<lighthouse>' } },
      { gallery: { ...none, sort: 'month' } },
    ],
    'gallery/mine': [
      {
        exhibits: [exhibit, linked, hidden, bare],
        shares: [sharing, { ...sharing, id: 't', state: 'done', leftOut: 2 }],
        older: '/gallery/mine?before=1',
        name: '<lighthouse>',
        blocked: [author],
      },
      { shares: [], exhibits: [], older: null, name: null, blocked: [] },
      { shares: [sharing], exhibits: [], older: null, name: null, blocked: [] },
    ],
    'gallery/reports': [
      {
        reported: [reported],
        hidden: [{ ...reported, id: 'f', hiddenBecause: '<lighthouse>', reports: [], isListed: false }],
      },
      { reported: [], hidden: [] },
    ],
    'gallery/share': [
      { form },
      {
        form: {
          ...form,
          ids: 'p,q',
          count: 1200,
          left: 2,
          pictures: [picture, uploaded],
          values: { ...form.values, where: 'link', prompt: true, settings: true, agreed: true },
          licence: '<lighthouse>',
          already: 1,
          errors: { name: 'No', licence: 'No', form: 'No' },
        },
      },
      { form: { ...form, pictures: [uploaded], prompts: 0, settings: [], left: 1 } },
      {
        form: {
          ...form,
          action: '/gallery/shares/s',
          all: '/gallery/shares/s/pictures',
          ids: '',
          count: 2600,
          prompts: 9,
        },
      },
    ],
    'gallery/show': [
      { exhibit, card, report: null },
      { exhibit, card, report },
      { exhibit: linked, card, report: null },
      { exhibit: hidden, card, report: null },
      { exhibit: bare, card, report: { ...report, isOpen: false } },
    ],
  }
}
