import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import OpenAI from 'openai'
import { startMockGateway } from './server.ts'

const mock = await startMockGateway()
after(() => mock.close())

const key = mock.control.keysOf('sdk@example.com').find(each => each.group_id)!
const client = new OpenAI({ apiKey: key.key, baseURL: `${mock.url}/v1`, maxRetries: 0 })
type Asked = Pick<OpenAI.Responses.ResponseCreateParamsStreaming, 'input' | 'tools' | 'reasoning'>

/** The stream helper puts a response together event by event, and throws where one is missing or out of order. */
async function streamed(asked: Asked) {
  const stream = client.responses.stream({ model: 'gpt-5.5', instructions: 'Be short.', ...asked })
  const types: string[] = []
  stream.on('event', event => types.push(event.type.slice('response.'.length)))
  const { output, output_text } = await stream.finalResponse()
  const kinds = types.filter((type, index) => type !== types[index - 1])
  return { items: output.map(item => item.type), text: output_text, kinds }
}

test("the official client's stream helper understands an answer, and its events come in the order of the protocol", async () => {
  const { items, text, kinds } = await streamed({ input: 'think', reasoning: { effort: 'low', summary: 'auto' } })
  assert.deepEqual(items, ['reasoning', 'message'])
  assert.match(text, /^You asked/)
  assert.deepEqual(kinds, [
    'created',
    'in_progress',
    'output_item.added',
    'reasoning_summary_part.added',
    'reasoning_summary_text.delta',
    'reasoning_summary_text.done',
    'reasoning_summary_part.done',
    'output_item.done',
    'output_item.added',
    'content_part.added',
    'output_text.delta',
    'output_text.done',
    'content_part.done',
    'output_item.done',
    'completed',
  ])
})

test('so do function calls and the pictures of the hosted tool', async () => {
  const parameters = { type: 'object', properties: { prompt: { type: 'string' } } }
  const tools = [{ type: 'function' as const, name: 'generate_image', strict: false, parameters }]
  const call = await streamed({ input: 'draw a fox', tools })
  assert.deepEqual([call.items, call.kinds.at(-2)], [['function_call'], 'output_item.done'])
  const drawn = await streamed({ input: 'draw a fox', tools: [{ type: 'image_generation', partial_images: 1 }] })
  assert.deepEqual(drawn.items, ['image_generation_call'])
  assert.ok(drawn.kinds.includes('image_generation_call.partial_image'))
})
