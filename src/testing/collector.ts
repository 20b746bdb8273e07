import { alice, type Person } from './people.ts'
import { makePicture } from './pictures.ts'
import type { TestApp } from './server.ts'

/** Somebody with so many pictures, an hour apart; those after the first have no bytes. */
export async function collector(app: TestApp, count: number): Promise<Person> {
  const person = await alice(app)
  const { id } = await makePicture(app, person, 'a heron')
  await app.db.run(
    `with more as (select i, md5(id || i::text) as token from pictures, generate_series(1, $2) i where id = $1),
       file as (
         insert into files (token, user_id, sha256, bytes, format, width, height, has_alpha, color)
         select more.token, f.user_id, sha256(more.token::bytea), f.bytes, format, f.width, f.height, has_alpha, color
         from more, pictures p join files f using (token) where p.id = $1 returning token)
     insert into pictures (user_id, token, model, prompt, requested_size, quality, width, height, bytes, created_at)
     select user_id, more.token, model, 'heron ' || i, requested_size, quality, width, height, bytes, created_at - i * interval '1 hour'
     from pictures p, more join file on file.token = more.token where p.id = $1`,
    [id, count - 1],
  )
  return person
}

/** The browser gives a transition up when a page goes before it has come. */
export function isOurs(complaint: string): boolean {
  return !complaint.includes('ViewTransition')
}
