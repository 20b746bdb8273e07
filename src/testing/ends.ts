import { after } from 'node:test'

const PATIENCE = 90_000

// Loaded into each test file's process: one that is kept from ending says by what and fails, instead of standing there.
after(() => {
  const isStanding = () => {
    console.error(`the tests are over, but something is still open: ${process.getActiveResourcesInfo().join(', ')}`)
    process.exit(1)
  }
  setTimeout(isStanding, PATIENCE).unref()
})
