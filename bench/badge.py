"""A small badge as an SVG: a label and what it is."""

from __future__ import annotations

from html import escape

CHARACTER, MARGIN, HEIGHT = 6.6, 8, 20


def badge(label: str, value: str) -> str:
    """The SVG's source."""
    left, right = (round(len(text) * CHARACTER) + 2 * MARGIN for text in (label, value))
    width, title = left + right, escape(f"{label}: {value}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>\n"
        f"<style>text {{ font: 11px Verdana, DejaVu Sans, sans-serif; fill: #fff; text-anchor: middle }}</style>\n"
        f'<rect width="{width}" height="{HEIGHT}" rx="4" fill="#4a5360"/>'
        f'<path d="M{left} 0h{right - 4}a4 4 0 0 1 4 4v{HEIGHT - 8}a4 4 0 0 1-4 4h-{right - 4}z" fill="#2c7a4b"/>\n'
        f'<text x="{left / 2}" y="14">{escape(label)}</text>'
        f'<text x="{left + right / 2}" y="14">{escape(value)}</text>\n</svg>\n'
    )
