import { defaultModel } from '../models/image-models.ts'
import { refuseSize } from '../models/sizes.ts'
import { halfWidth, plainSize } from '../web/typed.ts'
import { type Sentence, say } from '../web/words.ts'
import type { Limits } from './queries.ts'
import type { LimitsForm } from './view.ts'

const MOST = 1_000_000

export function formOfLimits(limits: Limits): LimitsForm {
  const text = (value: number | null) => (value === null ? '' : String(value))
  return {
    picturesPerDay: text(limits.picturesPerDay),
    jobsAtOnce: text(limits.jobsAtOnce),
    spendPerDay: text(limits.spendPerDay),
    spendTotal: text(limits.spendTotal),
    sizes: limits.sizes?.join(', ') ?? '',
    qualities: limits.qualities ?? [],
    errors: {},
  }
}

/** The form as typed. */
export function readLimitsForm(body: unknown): LimitsForm {
  const fields = (body ?? {}) as Record<string, unknown>
  const text = (name: string) => (typeof fields[name] === 'string' ? halfWidth(fields[name]).trim().slice(0, 1000) : '')
  return {
    picturesPerDay: text('pictures_per_day'),
    jobsAtOnce: text('jobs_at_once'),
    spendPerDay: text('spend_per_day'),
    spendTotal: text('spend_total'),
    sizes: plainSize(text('sizes')),
    qualities: defaultModel.qualities.filter(quality => [fields.quality].flat().includes(quality)),
    errors: {},
  }
}

type Faults = Partial<Record<keyof LimitsForm['errors'], Sentence>>

/** Null beside the faults when something is wrong: a cap that cannot be read must not become none. */
export function checkLimits(form: LimitsForm): { limits: Limits | null; faults: Faults } {
  const faults: Faults = {}
  const wholeNumber = (field: 'picturesPerDay' | 'jobsAtOnce') => {
    const typed = form[field]
    if (typed === '') return null
    if (/^\d{1,7}$/.test(typed) && Number(typed) >= 1 && Number(typed) <= MOST) return Number(typed)
    faults[field] = say('agents.invalid.number')
    return null
  }
  const money = (field: 'spendPerDay' | 'spendTotal') => {
    const typed = form[field].replace(/^\$\s*/, '')
    if (typed === '') return null
    if (/^\d{1,7}(\.\d{1,4})?$/.test(typed) && Number(typed) <= MOST) return Number(typed)
    faults[field] = say('agents.invalid.money')
    return null
  }
  const sizes = form.sizes.split(/[\s,;、]+/).filter(Boolean)
  if (sizes.some(size => refuseSize(defaultModel, size))) faults.sizes = say('agents.invalid.sizes')
  const limits = {
    picturesPerDay: wholeNumber('picturesPerDay'),
    jobsAtOnce: wholeNumber('jobsAtOnce'),
    spendPerDay: money('spendPerDay'),
    spendTotal: money('spendTotal'),
    sizes: sizes.length > 0 ? [...new Set(sizes)] : null,
    qualities: form.qualities.length > 0 ? form.qualities : null,
  }
  return { limits: Object.keys(faults).length > 0 ? null : limits, faults }
}
