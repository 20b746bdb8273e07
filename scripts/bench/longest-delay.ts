/** Of the event loop of a process since it was asked for the last time, in milliseconds; its own clock is 10 ms. */
export async function longestDelay({ url }: { url: string }): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(text)?.[1]) * 1000
}
