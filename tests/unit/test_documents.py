"""What the documents say about the tree is true: links lead somewhere, named files exist, tables match."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FOLDERS = (
    "agents|api|bench|checkout-page|dashboard|docs|domain|monitoring|ops|pages|runtime|sdk|simulation|"
    "store|tests|topics"
)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
NAMED = re.compile(rf"`((?:{FOLDERS})/[\w./*-]+)`")
BARE = re.compile(r"(?<![\w/`(])(docs/[\w/-]+\.(?:md|json))")
ENDPOINT = re.compile(r"^\| (GET|POST|PUT|PATCH|DELETE) \| `([^`]+)` \|", re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_and_every_named_file_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    linked = [document.parent / link for link in LINK.findall(text)]
    named = [ROOT / name for name in (*NAMED.findall(text), *BARE.findall(text))]

    missing = [str(path) for path in (*linked, *named) if not _exists(path)]

    assert not missing, f"{document.name} names what is not there"


def test_the_readme_lists_exactly_the_routes_of_the_openapi_document() -> None:
    described = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))["paths"]
    routes = {
        (method.upper(), path)
        for path, methods in described.items()
        for method in methods
        if method in ("get", "post", "put", "patch", "delete")
    }

    listed = set(ENDPOINT.findall((ROOT / "README.md").read_text(encoding="utf-8")))

    assert listed == routes, "run `python -m ops.endpoint_table` to write the table anew"


def _exists(path: Path) -> bool:
    return any(path.parent.glob(path.name)) if "*" in path.name else path.exists()
