import assert from 'node:assert/strict'
import type { Person } from './people.ts'
import { type TestApp, until } from './server.ts'

/** A picture in somebody's library. */
export interface MadePicture {
  id: string
  jobId: string
  /** Name of its bytes: `/files/<token>`. */
  token: string
}

/** Asks for pictures as the form does and waits until they are in the library, in the order of their positions. */
export async function makePictures(
  app: TestApp,
  person: Person,
  fields: Record<string, string> & { prompt: string },
): Promise<MadePicture[]> {
  const answer = await person.post('/images', fields)
  assert.equal(answer.status, 303, `no job for ${fields.prompt}: ${answer.text.slice(0, 500)}`)
  const jobId = answer.location.slice('/images/'.length)
  await until('the pictures to be made', async () => {
    const { rows } = await app.db.pool.query<{ state: string }>('select state from image_jobs where id = $1', [jobId])
    const state = rows[0]?.state
    assert.ok(state === 'queued' || state === 'running' || state === 'done', `the job is ${state}`)
    return state === 'done'
  })
  const { rows } = await app.db.pool.query<{ id: string; token: string }>(
    'select id, token from pictures where job_id = $1 order by position',
    [jobId],
  )
  return rows.map(({ id, token }) => ({ id, token, jobId }))
}

export async function makePicture(app: TestApp, person: Person, prompt: string): Promise<MadePicture> {
  const [picture] = await makePictures(app, person, { prompt })
  return picture!
}
