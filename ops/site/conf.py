"""Sphinx's settings; `gateway pages docs` runs it. The navigation is the four lists of docs/index.md."""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx

from ops.site.files import LinkedFiles
from ops.site.strict import move_inline_code
from runtime.release import VERSION

project = "Payment gateway"
version = release = VERSION
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 4
html_theme = "furo"
html_title = f"{project} {VERSION}"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_permalinks_icon = "#"


def setup(app: Sphinx) -> None:
    linked = LinkedFiles(docs=Path(app.srcdir))
    app.connect("source-read", linked.on_source_read)
    app.connect("build-finished", linked.on_build_finished)
    app.connect("build-finished", _on_build_finished)


def _on_build_finished(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        move_inline_code(Path(app.outdir))
