import { PAGE } from '../pixels/sheet.ts'

// A4 in points, 72 to an inch.
const [WIDTH, HEIGHT] = [595.28, 841.89]

/**
 * A PDF of pages that are a JPEG each, as large as `PAGE`: ISO 32000-1, 7.5 (file structure) and 8.9.5 (images). A JPEG stands in
 * it as it is (`DCTDecode`).
 */
export function pdfOf(pages: readonly Buffer[]): Buffer {
  const parts: Buffer[] = []
  const offsets: number[] = []
  let length = 0
  const write = (...pieces: (string | Buffer)[]) => {
    for (const piece of pieces) {
      const bytes = Buffer.from(piece as string, 'latin1')
      parts.push(bytes)
      length += bytes.length
    }
  }
  const object = (number: number, ...pieces: (string | Buffer)[]) => {
    offsets[number] = length
    write(`${number} 0 obj\n`, ...pieces, '\nendobj\n')
  }
  // Objects 1 and 2 are the catalogue and the list of pages; each page has three of its own.
  const first = (page: number) => 3 + page * 3
  // Four bytes above 127: programs that move files take it for what it is, no text.
  write('%PDF-1.4\n%\xe2\xe3\xcf\xd3\n')
  object(1, '<< /Type /Catalog /Pages 2 0 R >>')
  const kids = pages.map((_, page) => `${first(page)} 0 R`).join(' ')
  object(2, `<< /Type /Pages /Count ${pages.length} /Kids [${kids}] >>`)
  const content = `q ${WIDTH} 0 0 ${HEIGHT} 0 0 cm /Page Do Q`
  for (const [page, jpeg] of pages.entries()) {
    const at = first(page)
    const resources = `<< /XObject << /Page ${at + 2} 0 R >> >>`
    const box = `[0 0 ${WIDTH} ${HEIGHT}]`
    object(at, `<< /Type /Page /Parent 2 0 R /MediaBox ${box} /Resources ${resources} /Contents ${at + 1} 0 R >>`)
    object(at + 1, `<< /Length ${content.length} >>\nstream\n${content}\nendstream`)
    const size = `/Width ${PAGE.width} /Height ${PAGE.height} /ColorSpace /DeviceRGB /BitsPerComponent 8`
    const head = `<< /Type /XObject /Subtype /Image ${size} /Filter /DCTDecode /Length ${jpeg.length} >>\nstream\n`
    object(at + 2, head, jpeg, '\nendstream')
  }
  const start = length
  const count = offsets.length
  const lines = offsets.slice(1).map(offset => `${String(offset).padStart(10, '0')} 00000 n \n`)
  write(`xref\n0 ${count}\n0000000000 65535 f \n`, ...lines)
  write(`trailer\n<< /Size ${count} /Root 1 0 R >>\nstartxref\n${start}\n%%EOF\n`)
  return Buffer.concat(parts)
}
