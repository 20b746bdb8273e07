/** What a tool starts from. */
export interface SourceView {
  id: string
  url: string
  width: number
  height: number
  hasAlpha: boolean
  prompt: string
}

/** As typed, in pixels of the picture as it is shown. */
export interface CropForm {
  x: string
  y: string
  width: string
  height: string
  ratio: 'free' | '1:1' | '4:3' | '3:4' | '3:2' | '2:3' | '16:9' | '9:16'
  turn: '0' | '90' | '180' | '270'
  mirror: boolean
}

export interface SheetForm {
  format: 'pdf' | 'png'
  columns: '3' | '4' | '5' | '6'
  order: 'oldest' | 'newest'
  captions: boolean
}

/** As typed. */
export interface CutOutForm {
  tolerance: string
  feather: string
  holes: boolean
}

/** What a picture stands before. */
export interface CutOutView {
  /** `#rrggbb`. */
  color: string
  /** Of the border that has it. */
  percent: number
  verdict: 'flat' | 'uneven' | 'none'
  /** `#rrggbb`: what an even background would be asked for in. */
  key: string
}

/** Pixels of the picture that are added on each side, as typed. */
export interface ExtendForm {
  left: string
  top: string
  right: string
  bottom: string
  ratio: CropForm['ratio']
}

/** A mark as typed; without a kind there is none. */
export interface MarkForm {
  name: 'red' | 'blue' | 'yellow' | 'purple' | 'orange' | 'black'
  /** `#rrggbb`. */
  color: string
  kind: '' | 'circle' | 'arrow' | 'dot'
  x: string
  y: string
  x2: string
  y2: string
  words: string
}
