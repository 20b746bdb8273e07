import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { atEnd, restartablePostgres, testDatabase } from '../testing/database.ts'
import { type Database, openDatabase } from './db.ts'
import { DatabaseUnavailable } from './errors.ts'

const Count = z.object({ count: z.number() })
const Note = z.object({ id: z.number(), shortText: z.string() })

const db = await testDatabase()
await db.run('create table notes (id int8 generated always as identity primary key, short_text text not null unique)')

const insert = (db: Pick<Database, 'run'>, text: string) => db.run('insert into notes (short_text) values ($1)', [text])
const has = async (text: string) =>
  (await db.maybeOne(Note, 'select * from notes where short_text = $1', [text])) !== null

test('rows come in camelCase, with the types that lose nothing', async () => {
  const row = await db.one(
    z.unknown(),
    `select 9007199254740991::int8 as big_id, 12.50::numeric as exact_cost, date '2026-02-28' as some_day,
      timestamptz '2026-01-02 03:04:05.678Z' as made_at, '{"keep_this": 1}'::jsonb as as_is, null as not_there, 1 as "part_2"`,
  )
  assert.deepEqual(row, {
    bigId: 9007199254740991,
    exactCost: '12.50',
    someDay: '2026-02-28',
    madeAt: new Date('2026-01-02T03:04:05.678Z'),
    asIs: { keep_this: 1 },
    notThere: null,
    part2: 1,
  })
})

test('an int8 that a number cannot hold is an error, not another number', async () => {
  await assert.rejects(db.one(z.unknown(), 'select 9007199254740993::int8'), RangeError)
})

test('one, maybeOne, many and run say how many rows there were', async () => {
  await assert.rejects(db.one(Count, 'select 1 as count where false'), /one row was expected, 0 came/)
  await assert.rejects(db.one(Count, 'select 1 as count from generate_series(1, 2)'), /2 came/)
  assert.equal(await db.maybeOne(Count, 'select 1 as count where false'), null)
  await assert.rejects(db.maybeOne(Count, 'select 1 as count from generate_series(1, 2)'), /2 came/)
  assert.deepEqual(await db.many(Count, 'select n as count from generate_series(1, 2) n'), [{ count: 1 }, { count: 2 }])
  assert.equal(await insert(db, 'one row'), 1)
  assert.equal(await db.run('delete from notes where false'), 0)
})

test('a row that does not fit its schema is a bug of ours, not a ZodError about somebody’s input', async () => {
  await assert.rejects(db.one(Count, `select 'many' as count`), (error: Error) => {
    assert(!(error instanceof z.ZodError))
    assert.match(error.message, /expected number.*\n.*count\nselect/s)
    return true
  })
})

test('a transaction commits what it did, or nothing of it', async () => {
  await db.transaction(tx => insert(tx, 'kept'))
  await assert.rejects(
    db.transaction(async tx => {
      await insert(tx, 'undone')
      throw new Error('changed my mind')
    }),
    /changed my mind/,
  )
  assert.deepEqual([await has('kept'), await has('undone')], [true, false])
})

test('a transaction inside a transaction undoes its own work only', async () => {
  await db.transaction(async tx => {
    await insert(tx, 'outer')
    await assert.rejects(
      tx.transaction(async inner => {
        await insert(inner, 'inner')
        await insert(inner, 'inner')
      }),
      /duplicate key/,
    )
    await tx.transaction(inner => insert(inner, 'second inner'))
  })
  assert.deepEqual([await has('outer'), await has('inner'), await has('second inner')], [true, false, true])
})

test('a transaction that swallowed a failed statement does not pretend to have committed', async () => {
  await assert.rejects(
    db.transaction(async tx => {
      await insert(tx, 'lost')
      await tx.run('select 1 / 0').catch(() => {})
    }),
    /rolled back/,
  )
  assert.equal(await has('lost'), false)
})

test('of transactions that wait for each other both are done, one after the other', async () => {
  const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const
  const row = { a: 'crossing, a', b: 'crossing, b' }
  for (const text of Object.values(row)) await insert(db, text)
  const append = (tx: Pick<Database, 'run'>, text: string, more: string) =>
    tx.run(`update notes set short_text = short_text || $2 where starts_with(short_text, $1)`, [text, more])
  const cross = (first: string, second: string, me: 0 | 1) =>
    db.transaction(async tx => {
      await append(tx, first, ` ${me}`)
      begun[me].resolve()
      await begun[1 - me]!.promise
      await append(tx, second, ` ${me}`)
    })
  await Promise.all([cross(row.a, row.b, 0), cross(row.b, row.a, 1)])
  const texts = await db.many(Note, `select * from notes where short_text like 'crossing%' order by short_text`)
  for (const { shortText } of texts) assert.match(shortText, / (0 1|1 0)$/)
})

test('a statement sent after its transaction is refused', async () => {
  const escaped = await db.transaction(async tx => ({ tx }))
  await assert.rejects(escaped.tx.run('select 1'), /transaction that is over/)
})

test('connections come back to the pool whatever happens in them', async () => {
  const small = openDatabase({ url: db.url, max: 1 })
  atEnd(() => small.close())
  for (const sql of ['select 1', 'select 1 / 0', 'select 9007199254740993::int8']) {
    await small.many(z.unknown(), sql).catch(() => {})
    await small.transaction(tx => tx.many(z.unknown(), sql)).catch(() => {})
  }
  await assert.rejects(
    small.transaction(tx => tx.run('select pg_terminate_backend(pg_backend_pid())')),
    DatabaseUnavailable,
  )
  await small.ping()
  assert.deepEqual([small.pool.totalCount, small.pool.idleCount], [1, 1])
})

test('a server that is not there, and a pool that is closed, are DatabaseUnavailable', async () => {
  const nobody = openDatabase({ url: 'postgres:///app?host=/nowhere' })
  await assert.rejects(nobody.ping(), DatabaseUnavailable)
  await assert.rejects(
    nobody.transaction(tx => tx.run('select 1')),
    DatabaseUnavailable,
  )
  await nobody.close()
  await assert.rejects(nobody.ping(), DatabaseUnavailable)
})

test('executeSql keeps the names of the driver and finds the rows among several statements', async () => {
  assert.deepEqual(await db.executeSql('select $1::int as some_number', [1]), { rows: [{ some_number: 1 }] })
  assert.deepEqual(await db.executeSql('select 1 as a; set local work_mem = 64'), { rows: [{ a: 1 }] })
})

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  test(`a Postgres that goes away by ${signal} and comes back is found again by the same pool`, async () => {
    const postgres = await restartablePostgres()
    const heard: Error[] = []
    const live = openDatabase({ url: postgres.url, log: error => heard.push(error) })
    atEnd(() => live.close())
    await live.run('create table marks (n int)')
    await Promise.all([live.ping(), live.ping()])

    const asleep = live.run('select pg_sleep(60)')
    const inTransaction = live.transaction(async tx => {
      await tx.run('insert into marks values (1)')
      await postgres.stop(signal)
      await tx.run('insert into marks values (2)')
    })
    await Promise.all([assert.rejects(asleep, DatabaseUnavailable), assert.rejects(inTransaction, DatabaseUnavailable)])
    await assert.rejects(live.ping(), DatabaseUnavailable)

    await postgres.start()
    assert.deepEqual(await live.one(Count, 'select count(*) from marks'), { count: 0 })
    assert.equal(await live.run('insert into marks values (3)'), 1)
    assert(heard.length > 0, 'the lost idle connection was not reported')
  })
}
