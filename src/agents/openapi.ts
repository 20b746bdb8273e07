import { z } from 'zod'
import * as library from './library-schemas.ts'
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
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: origin ?? '/' }],
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      schemas: { Failure: schemaOf(Failure, 'output') },
    },
    paths: {
      '/api/playground/ssh/challenge': {
        post: operation('createChallenge', 'A text to sign', {
          reads: schemas.ChallengeRequest,
          answers: schemas.ChallengeAnswer,
        }),
      },
      '/api/playground/ssh/login': {
        post: operation('signIn', 'A bearer token for a signed challenge', {
          reads: schemas.LoginRequest,
          answers: schemas.LoginAnswer,
        }),
      },
      '/api/playground/ssh/proofs/{nonce}': {
        parameters: [{ name: 'nonce', in: 'path', required: true, schema: { type: 'string' } }],
        post: operation('proveKey', 'Prove that you hold a key that waits to be bound', {
          content: { 'text/plain': { schema: schemaOf(schemas.Signature, 'input') } },
          answers: schemas.ProofAnswer,
        }),
      },
      '/api/playground/ssh/logout': {
        post: operation('signOut', 'End this token', { answers: schemas.LogoutAnswer, bearer: true }),
      },
      '/api/playground/ssh/me': {
        get: operation('getMe', 'Who asks, and what they may', { answers: schemas.MeAnswer, bearer: true }),
      },
      '/api/playground/ssh/tasks': {
        post: operation('createTask', 'Ask for pictures', {
          reads: schemas.Payload,
          answers: schemas.CreatedAnswer,
          status: 202,
          bearer: true,
          parameters: [
            {
              name: 'Idempotency-Key',
              in: 'header',
              description: 'The same key and body answer the same task.',
              schema: { type: 'string', minLength: 1, maxLength: 128, pattern: '^[ -~]+$' },
            },
          ],
        }),
        get: operation('listTasks', 'Tasks, newest first', {
          answers: schemas.TasksAnswer,
          bearer: true,
          parameters: queryParameters(schemas.TasksQuery),
        }),
      },
      '/api/playground/ssh/tasks/{id}': {
        parameters: [idParameter],
        get: operation('getTask', 'How a task stands', { answers: schemas.TaskAnswer, bearer: true }),
      },
      '/api/playground/ssh/tasks/{id}/cancel': {
        parameters: [idParameter],
        post: operation('cancelTask', 'Cancel a task', { answers: schemas.TaskAnswer, bearer: true }),
      },
      '/api/playground/ssh/tasks/{id}/download': {
        parameters: [idParameter, ...queryParameters(schemas.DownloadQuery)],
        get: {
          operationId: 'downloadPicture',
          summary: 'The bytes of a picture',
          security: [{ bearer: [] }],
          responses: pictureResponses(['image/png', 'image/jpeg', 'image/webp', 'image/*', 'application/octet-stream']),
        },
      },
      '/api/playground/ssh/tasks/{id}/thumbnail': {
        parameters: [idParameter, ...queryParameters(schemas.PictureQuery)],
        get: {
          operationId: 'getThumbnail',
          summary: 'A picture, small: at most 480 pixels, if the operator says nothing else',
          security: [{ bearer: [] }],
          responses: pictureResponses(['image/webp']),
        },
      },
      '/api/playground/ssh/library': {
        get: operation('listPictures', 'Pictures of the library that match, in the order asked for', {
          answers: library.PicturesAnswer,
          bearer: true,
          parameters: queryParameters(library.PicturesQuery),
        }),
      },
      '/api/playground/ssh/library/months': {
        get: operation('countPictures', 'How many match, and in which months they were made', {
          answers: library.MonthsAnswer,
          bearer: true,
          parameters: queryParameters(library.MatchQuery),
        }),
      },
      '/api/playground/ssh/library/names': {
        get: operation('listNames', 'Folders and tags', { answers: library.NamesAnswer, bearer: true }),
      },
      '/api/playground/ssh/library/trash': {
        get: operation('listTrash', 'What was deleted within 30 days, the last first', {
          answers: library.PicturesAnswer,
          bearer: true,
          parameters: queryParameters(library.TrashQuery),
        }),
      },
      '/api/playground/ssh/library/changes': {
        post: operation('changePictures', 'File, tag, star, delete or restore pictures, all or none', {
          reads: library.ChangeRequest,
          answers: library.ChangeAnswer,
          bearer: true,
        }),
      },
      '/api/playground/ssh/library/changes/{id}/undo': {
        parameters: [idParameter],
        post: operation('undoChange', 'Put everything back as it was before a change', {
          answers: library.UndoAnswer,
          bearer: true,
        }),
      },
      '/api/playground/ssh/library/{id}': {
        parameters: [idParameter],
        get: operation('getPicture', 'All that is known of a picture', {
          answers: library.PictureAnswer,
          bearer: true,
        }),
      },
      '/api/playground/ssh/library/{id}/download': {
        parameters: [idParameter, ...queryParameters(library.DownloadQuery)],
        get: {
          operationId: 'downloadLibraryPicture',
          summary: 'The bytes of a picture of the library, or of a copy in another format',
          security: [{ bearer: [] }],
          responses: pictureResponses(['image/png', 'image/jpeg', 'image/webp', 'image/*', 'application/octet-stream']),
        },
      },
      '/api/playground/ssh/library/{id}/thumbnail': {
        parameters: [idParameter],
        get: {
          operationId: 'getLibraryThumbnail',
          summary: 'A picture of the library, small: at most 480 pixels, if the operator says nothing else',
          security: [{ bearer: [] }],
          responses: pictureResponses(['image/webp']),
        },
      },
      '/api/playground/assets/{token}': {
        parameters: [
          { name: 'token', in: 'path', required: true, schema: { type: 'string', minLength: 32, maxLength: 32 } },
          { name: 'download', in: 'query', schema: { const: '1' } },
          { name: 'filename', in: 'query', schema: { type: 'string' } },
        ],
        get: {
          operationId: 'getAsset',
          summary: 'A stored picture, also to the browser of its owner',
          security: [{ bearer: [] }, {}],
          responses: {
            ...pictureResponses(['image/png', 'image/jpeg', 'image/webp', 'application/octet-stream']),
            307: { description: 'The same at the address in front of the bucket' },
          },
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

const failures = { '4XX': failure, '5XX': failure }

function pictureResponses(types: readonly string[]): Json {
  return {
    200: { description: 'The whole', content: Object.fromEntries(types.map(type => [type, {}])) },
    206: { description: 'The range asked for' },
    304: { description: 'As it was, by If-None-Match' },
    416: { description: 'A range beyond its end' },
    ...failures,
  }
}

interface Facts {
  /** A JSON body, or one of another kind. */
  reads?: z.ZodType
  content?: Json
  answers: z.ZodType
  status?: number
  bearer?: boolean
  parameters?: Json[]
}

function operation(
  operationId: string,
  summary: string,
  { reads, content, answers, status = 200, bearer, parameters }: Facts,
): Json {
  const envelope = z.object({ code: z.literal(0), message: z.string(), data: answers })
  const body = content ?? (reads && { 'application/json': { schema: schemaOf(reads, 'input') } })
  return {
    operationId,
    summary,
    security: bearer ? [{ bearer: [] }] : [],
    ...(parameters && { parameters }),
    ...(body && { requestBody: { required: true, content: body } }),
    responses: {
      [status]: { description: 'Success', content: { 'application/json': { schema: schemaOf(envelope, 'output') } } },
      ...failures,
    },
  }
}

function queryParameters(query: z.ZodObject): Json[] {
  const { properties = {} } = schemaOf(query, 'input')
  return Object.entries(properties as Json).map(([name, schema]) => ({ name, in: 'query', schema }))
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    override({ zodSchema, jsonSchema }) {
      // By the time that the payload is parsed, its numbers stand for what was sent.
      if (zodSchema === schemas.DataUrl) delete jsonSchema.anyOf
    },
  }) as Json
  return rest
}
