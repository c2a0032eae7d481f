"""Links from a document to a file that is not one: the site gets a copy of the file, and the link leads to it.

[schema](../topics/schemas/order.create.json)  ─►  files/topics/schemas/order.create.json
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx

LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\((?!https?:|mailto:|#)([^)#\s]+)\)")
FOLDER = "files"


class LinkedFiles:
    """Collects the files that documents link to, and copies them at the end."""

    def __init__(self, *, docs: Path) -> None:
        self._docs = docs
        self._root = docs.parent
        self._found: set[Path] = set()

    def on_source_read(self, _app: Sphinx, document: str, source: list[str]) -> None:
        source[0] = self.rewritten(document, source[0])

    def rewritten(self, document: str, text: str) -> str:
        """The text with its links to files made links of the site. A link that leads nowhere stays: Sphinx finds it."""
        folder, up = (self._docs / document).parent, "../" * document.count("/")

        def replaced(link: re.Match[str]) -> str:
            target = (folder / link[2]).resolve()
            if not target.is_file() or not target.is_relative_to(self._root) or self._is_document(target):
                return link[0]
            self._found.add(target)
            return f'<a href="{up}{FOLDER}/{target.relative_to(self._root).as_posix()}">{link[1].replace("`", "")}</a>'

        return LINK.sub(replaced, text)

    def on_build_finished(self, app: Sphinx, error: Exception | None) -> None:
        for file in sorted(self._found if error is None else ()):
            copy = Path(app.outdir) / FOLDER / file.relative_to(self._root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)

    def _is_document(self, target: Path) -> bool:
        return target.suffix == ".md" and target.is_relative_to(self._docs)
