import type { TestApp } from './server.ts'

/** More exhibits like this one, each of a picture of its own, all of the same moment, and liked by its author. */
export async function copies(app: TestApp, id: string, count: number): Promise<void> {
  await app.db.run(
    `with source as (select p.*, e.id as exhibit from exhibits e join pictures p on p.id = e.picture_id where e.id = $1),
       made as (
         insert into pictures (user_id, token, model, prompt, requested_size, quality, width, height, bytes)
         select user_id, token, model, prompt, requested_size, quality, width, height, bytes
         from source, generate_series(1, $2) returning id, user_id),
       hung as (
         insert into exhibits (user_id, picture_id, token, is_listed, prompt, width, height, has_alpha, color, created_at,
           sha256)
         select made.user_id, made.id, e.token, true, e.prompt, e.width, e.height, e.has_alpha, e.color, e.created_at, e.sha256
         from made, exhibits e where e.id = $1 returning id, user_id)
     insert into likes (exhibit_id, user_id) select id, user_id from hung`,
    [id, count],
  )
}
