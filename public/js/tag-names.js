// In fields that take several tags suggestions complete the one that is being written, behind those that stand there.
document.addEventListener('input', ({ target }) => {
  if (target instanceof HTMLInputElement && target.list?.id === 'tag-names') offer(target)
})

// A browser compares the whole of a field with what is offered.
function offer({ list, value }) {
  const [before] = /^.*[,，、;；]\s*/.exec(value) ?? ['']
  const there = before.split(/[,，、;；]/).map(tag => tag.trim().toLowerCase())
  for (const option of list.options) {
    option.dataset.name ??= option.value
    option.disabled = there.includes(option.dataset.name.toLowerCase())
    option.value = before + option.dataset.name
  }
}
