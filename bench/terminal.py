"""A terminal session as an SVG that plays itself: each line appears when it was printed.

Readers who prefer less motion, and programs without CSS, get the whole session at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

CHARACTER, LEADING, MARGIN = 7.8, 20, 18
COLUMNS_MAX = 92
HOLD_SECONDS = 6.0
"""How long the end stays before the session begins again."""
STYLE = """\
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #d6dbe3; white-space: pre }
.command { fill: #fff; font-weight: 600 }
.comment { fill: #8b95a5 }
.good { fill: #5fd38d }
@media (prefers-reduced-motion: no-preference) {
  .line { animation: %(seconds).1fs step-end infinite }
%(frames)s
}"""


@dataclass(frozen=True, slots=True)
class Line:
    """`at`: seconds after the beginning."""

    at: float
    text: str
    is_command: bool


def drawn(lines: Sequence[Line], *, title: str) -> str:
    """The SVG's source."""
    shown = _wrapped(lines)
    seconds = shown[-1].at + HOLD_SECONDS
    frames = "\n".join(_frames(number, line.at / seconds) for number, line in enumerate(shown))
    width = round(COLUMNS_MAX * CHARACTER) + 2 * MARGIN
    height = len(shown) * LEADING + 2 * MARGIN
    texts = "\n".join(_text(number, line) for number, line in enumerate(shown))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}">\n<title>{escape(title)}</title>\n'
        f"<style>\n{STYLE % {'seconds': seconds, 'frames': frames}}\n</style>\n"
        f'<rect width="{width}" height="{height}" rx="10" fill="#12161d"/>\n{texts}\n</svg>\n'
    )


def _frames(number: int, share: float) -> str:
    percent = min(99.0, share * 100)
    return (
        f"  @keyframes l{number} {{ 0% {{ opacity: 0 }} {percent:.2f}% {{ opacity: 1 }} 100% {{ opacity: 1 }} }}\n"
        f"  .l{number} {{ animation-name: l{number} }}"
    )


def _text(number: int, line: Line) -> str:
    y = MARGIN + LEADING * (number + 0.75)
    return f'<text class="line l{number} {_kind(line)}" x="{MARGIN}" y="{y:.0f}">{escape(line.text)}</text>'


def _kind(line: Line) -> str:
    if line.is_command:
        return "comment" if line.text.startswith("#") else "command"
    return "good" if line.text.lstrip().startswith("zero differences") else "output"


def _wrapped(lines: Sequence[Line]) -> list[Line]:
    """Lines that fit, commands with their prompt, no two empty lines in succession."""
    fitting: list[Line] = []
    for line in lines:
        prompt = "$ " if line.is_command and line.text and not line.text.startswith("#") else ""
        text = prompt + line.text
        while True:
            head, text = text[:COLUMNS_MAX], text[COLUMNS_MAX:]
            if head or (fitting and fitting[-1].text):
                fitting.append(Line(line.at, head, line.is_command))
            if not text:
                break
    while fitting and not fitting[-1].text:
        fitting.pop()
    return fitting
