/** Counts up every `<time data-since>`, corrected for a clock that differs from the server's. */
export function start() {
  const rendered = Date.parse(document.documentElement.dataset.now)
  const [navigation] = performance.getEntriesByType('navigation')
  const skew = performance.timeOrigin + (navigation?.responseStart ?? 0) - rendered
  setInterval(() => {
    if (document.hidden) return
    for (const time of document.querySelectorAll('time[data-since]')) {
      const seconds = Math.max(0, Math.floor((Date.now() - skew - Date.parse(time.dataset.since)) / 1000))
      time.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
    }
  }, 1000)
}
