"""The domain has no clock, no randomness, no I/O and no third party.

import-linter keeps our other packages out; this test sees what an import contract cannot, a `datetime.now()` say.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import domain

FOLDER = Path(domain.__file__).parent
FILES = sorted(FOLDER.rglob("*.py"))
ALLOWED = frozenset(
    {
        *("__future__", "base64", "binascii", "collections", "dataclasses", "datetime", "domain", "email", "enum"),
        *("hashlib", "hmac", "ipaddress", "json", "re", "typing", "urllib", "uuid"),
    }
)
"""Modules that compute. `uuid` and `datetime` can do more, which IMPURE rules out; `email` and `urllib` parse only."""
IMPURE = frozenset({"now", "utcnow", "today", "uuid1", "uuid4", "getnode", "urlopen"})
BUILT_IN = frozenset({"open", "print", "input"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_a_domain_module_only_computes(path: Path) -> None:
    assert impurities(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time", "import time"),
        ("from random import random", "import random"),
        ("import os.path", "import os"),
        ("def f():\n    import secrets", "import secrets"),
        ("import pydantic", "import pydantic"),
        ("from datetime import datetime as d\nd.now()", "now"),
        ("from datetime import date\ntoday = date.today", "today"),
        ("from uuid import uuid4 as make\nmake()", "uuid4"),
        ("open('x')", "open"),
    ],
)
def test_a_clock_a_draw_or_a_file_is_noticed(source: str, found: str) -> None:
    assert found in impurities(source)


def impurities(source: str) -> list[str]:
    """Imports that are not allowed, and names that reach for a clock, a draw or a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                found += [f"import {root}" for root in (alias.name.partition(".")[0] for alias in node.names)]
            case ast.ImportFrom():
                found.append(f"import {(node.module or '').partition('.')[0]}")
                found += [alias.name for alias in node.names]
            case ast.Attribute():
                found.append(node.attr)
            case ast.Name() if node.id in BUILT_IN:
                found.append(node.id)
    return [
        name for name in found if name in IMPURE | BUILT_IN or (name.startswith("import ") and name[7:] not in ALLOWED)
    ]
