"""Built pages under the policy of the pages role: no script, style sheet or style stands in a document itself.

<script>code</script>  ─►  <script src="_static/inline/3fa9….js"></script>   where it stood, so it runs when it ran
<style>rules</style>   ─►  <link rel="stylesheet" href="_static/inline/….css">
style="opacity: 50%"   ─►  opacity="0.5"                                      the theme's own, of its icons
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
ATTRIBUTES = {' style="display: none;"': ' display="none"', ' style="opacity: 50%"': ' opacity="0.5"'}
FOLDER = "_static/inline"


def move_inline_code(site: Path) -> None:
    """Rewrite every document of the site."""
    (site / FOLDER).mkdir(parents=True, exist_ok=True)
    for document in site.rglob("*.html"):
        if (site / "files") not in document.parents:
            up = "../" * (len(document.relative_to(site).parts) - 1)
            document.write_text(_rewritten(document.read_text(encoding="utf-8"), site, up), encoding="utf-8")


def _rewritten(text: str, site: Path, up: str) -> str:
    def script(found: re.Match[str]) -> str:
        return f'<script src="{up}{_kept(site, found[1], ".js")}"></script>'

    def sheet(found: re.Match[str]) -> str:
        return f'<link rel="stylesheet" href="{up}{_kept(site, found[1], ".css")}">'

    text = STYLE.sub(sheet, SCRIPT.sub(script, text))
    for before, after in ATTRIBUTES.items():
        text = text.replace(before, after)
    return text


def _kept(site: Path, code: str, ending: str) -> str:
    """Path of a file with this content, named by it: pages share it."""
    name = f"{FOLDER}/{hashlib.sha256(code.encode()).hexdigest()[:16]}{ending}"
    (site / name).write_text(code, encoding="utf-8")
    return name
