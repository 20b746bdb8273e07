import { start } from '../main.ts'

// A process of the installation with settings that only tests change, given as JSON.
await start(JSON.parse(process.env.TEST_CONFIG ?? ''))
