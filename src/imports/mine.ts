import type { Mine } from '../work/mine.ts'

export const mine: Mine = {
  tables: {
    imports: 'reports, kept for a month, of what is in the library',
    import_entries: 'reports, kept for a month, of what is in the library',
  },
}
