/** Moments of a long row that nothing outside its process can hold, in order; tests let a process die at each. */
export type Step =
  | 'claimed' // nothing was sent
  | 'marked' // called, as far as anybody can know
  | 'received'
  | 'committing' // a picture, with its row
  | 'filed'
  | 'ending' // all of it, but to say so
  | 'ended'
  // Where the store did not take a picture:
  | 'bound' // to the spill of this worker
  | 'told' // to the page, that it waits
  | 'made'
  // Of what has many parts:
  | 'stored' // bytes that no row uses yet
  | 'part'
  // Of news:
  | 'heard' // not acted on yet
  | 'painted' // the model is about to be told
