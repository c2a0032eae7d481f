/**
 * The way back through keyset pages. A cursor only leads onwards, so the cursors of the pages passed are remembered;
 * a page reached by its address alone has no way back but to the first one.
 */

export interface Trail {
  /** Names the list and its filters: another list begins a new trail. */
  of: string;
  /** Cursors of the pages before the current one; null is the first page. */
  before: readonly (string | null)[];
}

export function trailAfter(trail: Trail, of: string, current: string | null): Trail {
  return { of, before: [...(trail.of === of ? trail.before : []), current] };
}

/** The cursor of the previous page, and the rest of the trail. Without a known way back: the first page. */
export function stepBack(trail: Trail, of: string): { cursor: string | null; trail: Trail } {
  const before = trail.of === of ? trail.before : [];
  return { cursor: before.at(-1) ?? null, trail: { of, before: before.slice(0, -1) } };
}
