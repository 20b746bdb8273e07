import type { Mine } from '../work/mine.ts'
import { findExhibitor, listBlocked, listExhibitsOf, listLiked, listReported } from './mine-queries.ts'

export const mine: Mine = {
  tables: {
    exhibitors: null,
    exhibits: null,
    likes: null,
    gallery_blocks: null,
    gallery_reports: null,
    gallery_shares: 'how far what is shared at once has come, for a day',
    gallery_share_pictures: 'the pictures of these, for a day',
    gallery_audit: 'what the operator did, and why',
    likes_of_month: 'sums of what others like',
  },
  async *papers({ db }, userId) {
    const [name, shown, liked, blocked, reported] = [
      await findExhibitor(db, userId),
      await listExhibitsOf(db, userId),
      await listLiked(db, userId),
      await listBlocked(db, userId),
      await listReported(db, userId),
    ]
    if (name || liked.length + blocked.length + reported.length > 0) {
      yield { name: 'gallery.json', content: { name, shown, liked, blocked, reported } }
    }
  },
}
