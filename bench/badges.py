"""The README's badges: the declarations of pyproject.toml, the number of tests, the result of verify."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from html import escape
from pathlib import Path

from bench import REPOSITORY

CHARACTER, MARGIN, HEIGHT = 6.6, 8, 20
COLLECT_SECONDS_MAX = 180
COLLECTED = re.compile(r"(\d+)(?:/\d+)? tests collected")


def badges(tests: int) -> dict[str, str]:
    """Name -> SVG. The badge of verify is true only after a verify without differences."""
    project = tomllib.loads((Path(REPOSITORY) / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "licence": badge("licence", project["license"]["text"]),
        "python": badge("python", project["requires-python"].replace(",", " ")),
        "tests": badge("tests", rounded_down(tests)),
        "verify": badge("verify", "0 differences"),
    }


def count_tests() -> int:
    """The number of tests that pytest collects, including slow ones."""
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "tests"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=COLLECT_SECONDS_MAX, check=True,
    )  # fmt: skip
    found = COLLECTED.search(collected.stdout)
    assert found is not None, collected.stdout[-500:]
    return int(found[1])


def rounded_down(count: int) -> str:
    """Rounded down to hundreds, so that the badge does not change with each test."""
    return f"{count // 100 * 100:,}+"


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
