/**
 * Bars over time, drawn as plain SVG. A cursor follows the pointer and the arrow keys and is read out; the same
 * numbers stand in a table behind "Show as table".
 */
import { useId, useState } from "preact/hooks";
import { axisOf, barsOf, cursorAfter, slotAt } from "./chart-scale.ts";

export interface Point {
  /** On the axis, short. */
  label: string;
  /** In the table and the reading, full. */
  name: string;
  value: number;
  /** The part of `value` drawn in the second colour. */
  part?: number;
}

export interface BarChartProps {
  title: string;
  points: readonly Point[];
  valueText: (value: number) => string;
  axisText: (value: number) => string;
  columns: readonly [name: string, value: string, part?: string];
}

const WIDTH = 640;
const HEIGHT = 180;
const LABELS_MOST = 5;

export function BarChart(props: BarChartProps) {
  const [asTable, setAsTable] = useState(false);
  const titleId = useId();
  return (
    <section class="card pad chart" aria-labelledby={titleId}>
      <div class="card-head">
        <h2 id={titleId}>{props.title}</h2>
        <button type="button" class="link-button" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
          {asTable ? "Show as chart" : "Show as table"}
        </button>
      </div>
      {asTable ? <TableTwin {...props} /> : <Drawing {...props} />}
    </section>
  );
}

function Drawing({ title, points, valueText, axisText, columns }: BarChartProps) {
  const [cursor, setCursor] = useState<number | null>(null);
  const { top, lines } = axisOf(Math.max(0, ...points.map((point) => point.value)));
  const bars = barsOf(
    points.map((point) => point.value),
    top,
    WIDTH,
    HEIGHT,
  );
  const parts = barsOf(
    points.map((point) => point.part ?? 0),
    top,
    WIDTH,
    HEIGHT,
  );
  const shown = cursor === null ? undefined : points[cursor];
  const reading = shown ? readingOf(shown, valueText, columns) : "";
  const move = (event: KeyboardEvent) => {
    const next = cursorAfter(event.key, cursor, points.length);
    if (next === null) return;
    event.preventDefault();
    setCursor(next);
  };
  const point = (event: PointerEvent & { currentTarget: HTMLDivElement }) => {
    const box = event.currentTarget.getBoundingClientRect();
    setCursor(slotAt(event.clientX - box.left, box.width, points.length));
  };
  return (
    <div class="drawing">
      <div class="axis" aria-hidden="true">
        {[...lines].reverse().map((line) => (
          <span key={line}>{axisText(line)}</span>
        ))}
        <span>{axisText(0)}</span>
      </div>
      <div class="plot">
        <p class="reading" aria-hidden="true">
          {reading}
        </p>
        {/* A slider is what it is to the keyboard: a position along a row of values, each with its text. */}
        <div
          class="slider"
          role="slider"
          tabIndex={0}
          aria-label={title}
          aria-valuemin={0}
          aria-valuemax={Math.max(points.length - 1, 0)}
          aria-valuenow={cursor ?? 0}
          aria-valuetext={reading || "Use the arrow keys to read the values"}
          onKeyDown={move}
          onBlur={() => setCursor(null)}
          onPointerMove={point}
          onPointerLeave={() => setCursor(null)}
        >
          <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
            {lines.map((line) => (
              <path key={line} class="grid" d={`M0 ${HEIGHT - (line / top) * HEIGHT}H${WIDTH}`} />
            ))}
            <path class="base" d={`M0 ${HEIGHT}H${WIDTH}`} />
            {cursor !== null && <CursorBand index={cursor} count={points.length} />}
            {bars.map((bar, index) => (
              <rect key={points[index]?.name} class={index === cursor ? "bar under" : "bar"} {...bar} />
            ))}
            {parts.map((bar, index) => (
              <rect key={points[index]?.name} class="bar part" {...bar} />
            ))}
          </svg>
        </div>
        <div class="labels" aria-hidden="true">
          {labelsOf(points).map((label) => (
            <span key={label}>{label}</span>
          ))}
        </div>
      </div>
    </div>
  );
}

function CursorBand({ index, count }: { index: number; count: number }) {
  const slot = WIDTH / count;
  return <rect class="band" x={index * slot} y={0} width={slot} height={HEIGHT} />;
}

function TableTwin({ title, points, valueText, columns }: BarChartProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region needs focus to be scrolled by keyboard
    <section class="twin" tabIndex={0} aria-label={`${title}, as a table`}>
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">{columns[0]}</th>
            <th scope="col" class="end">
              {columns[1]}
            </th>
            {columns[2] && (
              <th scope="col" class="end">
                {columns[2]}
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {points.map((point) => (
            <tr key={point.name}>
              <th scope="row">{point.name}</th>
              <td class="end">{valueText(point.value)}</td>
              {columns[2] && <td class="end">{valueText(point.part ?? 0)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function readingOf(point: Point, valueText: (value: number) => string, columns: BarChartProps["columns"]): string {
  const part = columns[2] && point.part !== undefined ? `, ${columns[2].toLowerCase()} ${valueText(point.part)}` : "";
  return `${point.name}: ${valueText(point.value)}${part}`;
}

/** At most five labels, evenly spread, the first and the last among them. */
function labelsOf(points: readonly Point[]): string[] {
  if (points.length <= LABELS_MOST) return points.map((point) => point.label);
  const step = (points.length - 1) / (LABELS_MOST - 1);
  return Array.from({ length: LABELS_MOST }, (_, index) => points[Math.round(index * step)]?.label ?? "");
}
