import { z } from 'zod'
import { reasons } from './problem.ts'
import * as schemas from './schemas.ts'

type Json = Record<string, unknown>

const Failure = z.object({
  code: z.int(),
  message: z.string(),
  reason: z.enum(reasons),
  field: z.string().optional(),
  retry_after: z.int().optional(),
})

/** OpenAPI 3.1, generated from the schemas that read the requests. */
export function openApi(origin: string | null): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sub2API Image Playground',
      version: '1',
      description: 'Pictures for scripts, signed in with an SSH key.',
    },
    servers: [{ url: origin ?? '/' }],
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      schemas: { Failure: schemaOf(Failure, 'output') },
    },
    paths: {
      '/api/playground/ssh/challenge': {
        post: operation('A text to sign', { reads: schemas.ChallengeRequest, answers: schemas.ChallengeAnswer }),
      },
      '/api/playground/ssh/login': {
        post: operation('A bearer token for a signed challenge', {
          reads: schemas.LoginRequest,
          answers: schemas.LoginAnswer,
        }),
      },
      '/api/playground/ssh/logout': {
        post: operation('End this token', { answers: schemas.LogoutAnswer, bearer: true }),
      },
      '/api/playground/ssh/me': {
        get: operation('Who asks, and what they may', { answers: schemas.MeAnswer, bearer: true }),
      },
      '/api/playground/ssh/tasks': {
        post: operation('Ask for pictures', {
          reads: schemas.Payload,
          answers: schemas.CreatedAnswer,
          status: 202,
          bearer: true,
          parameters: [
            {
              name: 'Idempotency-Key',
              in: 'header',
              description: 'The same key and body answer the same task.',
              schema: { type: 'string', pattern: '^[ -~]{1,128}$' },
            },
          ],
        }),
        get: operation('Tasks, newest first', {
          answers: schemas.TasksAnswer,
          bearer: true,
          parameters: queryParameters(schemas.TasksQuery),
        }),
      },
      '/api/playground/ssh/tasks/{id}': {
        parameters: [idParameter],
        get: operation('How a task stands', { answers: schemas.TaskAnswer, bearer: true }),
      },
      '/api/playground/ssh/tasks/{id}/cancel': {
        parameters: [idParameter],
        post: operation('Cancel a task', { answers: schemas.TaskAnswer, bearer: true }),
      },
      '/api/playground/ssh/tasks/{id}/download': {
        parameters: [idParameter, ...queryParameters(schemas.DownloadQuery)],
        get: {
          summary: 'The bytes of a picture',
          security: [{ bearer: [] }],
          responses: pictureResponses,
        },
      },
      '/api/playground/assets/{token}': {
        parameters: [
          { name: 'token', in: 'path', required: true, schema: { type: 'string' } },
          { name: 'download', in: 'query', schema: { const: '1' } },
          { name: 'filename', in: 'query', schema: { type: 'string' } },
        ],
        get: {
          summary: 'A stored picture, also to the browser of its owner',
          security: [{ bearer: [] }, {}],
          responses: { ...pictureResponses, 307: { description: 'The same at the address in front of the bucket' } },
        },
      },
    },
  }
}

const idParameter = { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } }
const failure = {
  description: 'What went wrong',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Failure' } } },
}

const pictureResponses = {
  200: { description: 'The whole', content: { 'image/png': {}, 'image/jpeg': {}, 'image/webp': {} } },
  206: { description: 'The range asked for' },
  304: { description: 'As it was, by If-None-Match' },
  416: { description: 'A range beyond its end' },
  default: failure,
}

interface Facts {
  reads?: z.ZodType
  answers: z.ZodType
  status?: number
  bearer?: boolean
  parameters?: Json[]
}

function operation(summary: string, { reads, answers, status = 200, bearer, parameters }: Facts): Json {
  const envelope = z.object({ code: z.literal(0), message: z.string(), data: answers })
  return {
    summary,
    ...(bearer && { security: [{ bearer: [] }] }),
    ...(parameters && { parameters }),
    ...(reads && {
      requestBody: { required: true, content: { 'application/json': { schema: schemaOf(reads, 'input') } } },
    }),
    responses: {
      [status]: { description: 'Success', content: { 'application/json': { schema: schemaOf(envelope, 'output') } } },
      default: failure,
    },
  }
}

function queryParameters(query: z.ZodObject): Json[] {
  const { properties = {} } = schemaOf(query, 'input')
  return Object.entries(properties as Json).map(([name, schema]) => ({ name, in: 'query', schema }))
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io }) as Json
  return rest
}
