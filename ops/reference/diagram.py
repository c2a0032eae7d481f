"""Diagrams as SVG without a layout engine: boxes on a grid, arrows between them, readable in light and dark.

column 0     column 1     column 2
┌─────┐ label ┌─────┐
│ box │ ────► │ box │ ─ …      an arrow within a column runs up or down beside its neighbour
└─────┘       └─────┘
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

BOX_WIDTH, LINE_HEIGHT, PADDING = 176, 17, 9
COLUMN_WIDTH, ROW_HEIGHT, MARGIN = 356, 112, 16
BEND = 30
"""How far from its box an arrow turns; what is left of the gap holds the label."""
BESIDE = 72
"""How far beside an upright arrow its label is centred."""
STYLE = """<style>
text { font: 13px system-ui, "Segoe UI", Roboto, sans-serif; fill: #1c2430; text-anchor: middle }
.small { font-size: 11.5px; fill: #556070 }
.box { fill: #fff; stroke: #9aa5b4; stroke-width: 1.2 }
.topic { fill: #fff6e5; stroke: #c98a1b; stroke-width: 1.2 }
.core { fill: #eaf2ff; stroke: #3b6fd4; stroke-width: 1.6 }
.flow { fill: none; stroke: #556070; stroke-width: 1.3; marker-end: url(#arrow) }
#arrow path { fill: #556070 }
@media (prefers-color-scheme: dark) {
text { fill: #e6eaf0 } .small { fill: #a3adbb }
.box { fill: #1b212b; stroke: #5a6678 } .topic { fill: #33290f; stroke: #d6a243 }
.core { fill: #18263f; stroke: #6d9bf1 }
.flow { stroke: #a3adbb } #arrow path { fill: #a3adbb }
}
</style>
<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path
d="M0 0 10 5 0 10z"/></marker></defs>"""


@dataclass(frozen=True, slots=True)
class Box:
    """`notes`: smaller lines below the title. `kind`: `box`, `topic` or `core`."""

    title: str
    column: int
    row: float
    notes: tuple[str, ...] = ()
    kind: str = "box"

    @property
    def height(self) -> int:
        return 2 * PADDING + LINE_HEIGHT * (1 + len(self.notes))

    @property
    def left(self) -> float:
        return MARGIN + self.column * COLUMN_WIDTH

    @property
    def middle(self) -> float:
        return MARGIN + (self.row + 0.5) * ROW_HEIGHT


@dataclass(frozen=True, slots=True)
class Arrow:
    before: str
    after: str
    labels: tuple[str, ...] = ()


def drawn(title: str, boxes: Mapping[str, Box], arrows: Iterable[Arrow]) -> str:
    """The SVG. `title`: what a screen reader reads. Raises KeyError for an arrow without its box."""
    lines = list(arrows)
    width = max(box.left for box in boxes.values()) + BOX_WIDTH + MARGIN + (BESIDE if _has_upright(lines, boxes) else 0)
    height = max(box.middle + max(box.height, ROW_HEIGHT) / 2 for box in boxes.values()) + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"',
            ' role="img" aria-labelledby="title">',
            f'<title id="title">{escape(title)}</title>',
            STYLE,
            *(part for arrow in lines for part in _arrow(arrow, boxes)),
            *(part for box in boxes.values() for part in _box(box)),
            "</svg>",
            "",
        ]
    )


def _has_upright(arrows: Iterable[Arrow], boxes: Mapping[str, Box]) -> bool:
    """A label may stand beside the last column."""
    return any(arrow.labels and boxes[arrow.before].column == boxes[arrow.after].column for arrow in arrows)


def _box(box: Box) -> Sequence[str]:
    top, centre = box.middle - box.height / 2, box.left + BOX_WIDTH / 2
    baseline = top + PADDING + LINE_HEIGHT - 4
    notes = (
        f'<text class="small" x="{centre:g}" y="{baseline + LINE_HEIGHT * number:g}">{escape(note)}</text>'
        for number, note in enumerate(box.notes, start=1)
    )
    return (
        f'<rect class="{box.kind}" x="{box.left:g}" y="{top:g}" width="{BOX_WIDTH}" height="{box.height}" rx="8"/>',
        f'<text x="{centre:g}" y="{baseline:g}">{escape(box.title)}</text>',
        *notes,
    )


def _arrow(arrow: Arrow, boxes: Mapping[str, Box]) -> Sequence[str]:
    before, after = boxes[arrow.before], boxes[arrow.after]
    if before.column == after.column:
        return _upright(arrow, before, after)
    forward = before.column < after.column
    x1, x2 = (before.left + BOX_WIDTH, after.left) if forward else (before.left, after.left + BOX_WIDTH)
    y1, y2 = (before.middle, after.middle) if forward else (before.middle + 12, after.middle + 12)
    bend = x1 + (BEND if forward else -BEND)
    line = f'<path class="flow" d="M{x1:g} {y1:g} H{bend:g} V{y2:g} H{x2:g}"/>'
    return (line, *_labels(arrow.labels, (bend + x2) / 2, y2 - 6, above=True))


def _upright(arrow: Arrow, before: Box, after: Box) -> Sequence[str]:
    """Downwards on the left, upwards on the right."""
    down = before.middle < after.middle
    x = before.left + BOX_WIDTH * (0.3 if down else 0.7)
    y1, y2 = (
        (before.middle + before.height / 2, after.middle - after.height / 2)
        if down
        else (before.middle - before.height / 2, after.middle + after.height / 2)
    )
    line = f'<path class="flow" d="M{x:g} {y1:g} {x:g} {y2:g}"/>'
    return (line, *_labels(arrow.labels, x + (-BESIDE if down else BESIDE), (y1 + y2) / 2 + 4, above=False))


def _labels(labels: Sequence[str], x: float, y: float, *, above: bool) -> Sequence[str]:
    first = y - (len(labels) - 1) * 14 if above else y
    return [
        f'<text class="small" x="{x:g}" y="{first + 14 * number:g}">{escape(label)}</text>'
        for number, label in enumerate(labels)
    ]
