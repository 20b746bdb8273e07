import type { Parameter } from '../account/honours.ts'
import { findAccount } from '../account/queries.ts'
import type { Deps } from '../deps.ts'
import { unhonoured } from '../images/advice.ts'
import { editTerms } from '../images/edit-terms.ts'
import type { ImageJob } from '../images/job-queries.ts'
import { requestOf } from '../images/start.ts'
import type { Translate } from '../web/i18n.ts'
import type { Warning } from './schemas.ts'

// The JSON's names for what the form calls otherwise.
const names: Record<Parameter, Warning['parameter']> = {
  size: 'size',
  n: 'n',
  quality: 'quality',
  format: 'output_format',
  background: 'background',
  previews: 'previews',
}

/** Of what a task asks for, all that the key which pays for it has not done lately: what a browser says before paying. */
export async function warningsOf(deps: Pick<Deps, 'db' | 'config'>, job: ImageJob, t: Translate): Promise<Warning[]> {
  const [account, edit] = await Promise.all([
    findAccount(deps.db, job.userId),
    editTerms(deps, job, [{ references: job.referenceTokens }]),
  ])
  return unhonoured(account?.honours ?? [], job, requestOf(job), edit).flatMap(
    ({ parameter, verdict, asked, came }) => {
      if (verdict === 'honoured') return []
      const facts = { parameter: t(`account.honour.parameter.${parameter}`), asked: shown(asked), came: shown(came) }
      const message = t(`account.honour.warn.${verdict}`, facts)
      return [{ parameter: names[parameter], verdict, asked, came, message }]
    },
  )
}

/** As sizes are written in sentences. */
function shown(value: string): string {
  return value.replace('x', ' × ')
}
