import type { Deps } from '../deps.ts'
import type { Readers } from '../work/news.ts'
import { followAnswer } from './answer/follow-up.ts'
import { writeSnapshot } from './archive/keep.ts'
import { pictureEnded } from './paint.ts'

/** What conversations do about news. */
export function chatNews(deps: Deps): Omit<Readers, 'suggestion-asked'> {
  return {
    'picture-ended': ({ userId, subject }) => pictureEnded(deps, userId, subject),
    'answer-ended': ({ userId, subject }, run) => followAnswer(deps, userId, subject, run),
    'conversation-changed': ({ userId, subject }) => writeSnapshot(deps, { userId, id: subject }),
  }
}
