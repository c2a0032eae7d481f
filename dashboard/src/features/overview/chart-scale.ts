/** Geometry of a bar chart, apart from drawing: the axis' steps and the position of each bar. Pure. */

export interface Bar {
  x: number;
  y: number;
  width: number;
  height: number;
}

const STEPS_MOST = 4;

/** The axis' top and its lines: 1, 2 or 5 times a power of ten, at most four steps. Never zero. */
export function axisOf(largest: number): { top: number; lines: number[] } {
  if (largest <= 0) return { top: 1, lines: [] };
  const rough = largest / STEPS_MOST;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power);
  const count = Math.ceil(largest / step);
  return { top: count * step, lines: Array.from({ length: count }, (_, index) => (index + 1) * step) };
}

/** Bars side by side over `width`; the gap is a fifth of a slot, but a bar is never wider than 48. */
export function barsOf(values: readonly number[], top: number, width: number, height: number): Bar[] {
  const slot = width / Math.max(values.length, 1);
  const thickness = Math.min(slot * 0.8, 48);
  return values.map((value, index) => {
    // Every value above zero is visible: at least two units high.
    const tall = value > 0 ? Math.max((value / top) * height, 2) : 0;
    return { x: index * slot + (slot - thickness) / 2, y: height - tall, width: thickness, height: tall };
  });
}

/** The slot under a pointer at `x`. */
export function slotAt(x: number, width: number, count: number): number {
  return Math.min(Math.max(Math.floor((x / width) * count), 0), count - 1);
}

/** The cursor after a key, or null if the chart does not use the key. */
export function cursorAfter(key: string, cursor: number | null, count: number): number | null {
  switch (key) {
    case "ArrowRight":
      return cursor === null ? 0 : Math.min(cursor + 1, count - 1);
    case "ArrowLeft":
      return cursor === null ? count - 1 : Math.max(cursor - 1, 0);
    case "Home":
      return 0;
    case "End":
      return count - 1;
    default:
      return null;
  }
}
