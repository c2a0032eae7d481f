"""One migration: a file of SQL, its class, and its statements one by one.

in a transaction   the default: all or nothing; starts with `SET LOCAL lock_timeout`
concurrent         first line CONCURRENT: indexes built or dropped, rows changed in steps, constraints validated,
                   while everything runs; each statement can be repeated, so a migration that was cut off can be
                   run again
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

CONCURRENT = "-- gateway: concurrent"
SHOWN_CHARACTERS = 160
"""Of a statement in a message."""
_PIECE = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|;|[^;'$-]+|.", re.DOTALL)
"""Comments, quoted texts and function bodies as wholes: a semicolon in one of them ends nothing."""
_REPEATABLE = re.compile(
    r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS (?P<created>\w+) ON [^;]+"
    r"|DROP INDEX CONCURRENTLY IF EXISTS (?P<dropped>\w+)"
    r"|ALTER TABLE \w+ VALIDATE CONSTRAINT \w+"
    r"|UPDATE (?P<stepped>\w+) SET .+ WHERE id IN"
    r" \(SELECT id FROM (?P=stepped) WHERE id > \$1 ORDER BY id LIMIT \d+\) RETURNING id"
)


class MigrationError(RuntimeError):
    """The database's history and the files do not agree, a file breaks the rules of its class, or a statement failed.

    Its text is for the operator: what failed, why, and what to do.
    """


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its comments. `line`: of the file, where it begins."""

    text: str
    line: int

    @property
    def shown(self) -> str:
        """On one line, cut to SHOWN_CHARACTERS."""
        flat = " ".join(self.text.split())
        return flat if len(flat) <= SHOWN_CHARACTERS else f"{flat[: SHOWN_CHARACTERS - 1]}…"


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A statement of a concurrent migration: what it creates, drops or changes in steps is named, or None."""

    statement: Statement
    text: str
    created: str | None
    dropped: str | None
    stepped: str | None


@dataclass(frozen=True)
class Migration:
    """One file."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def is_concurrent(self) -> bool:
        return self.text.startswith(CONCURRENT)

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """In order."""
        return tuple(_split(self.text))

    @cached_property
    def repeatable(self) -> tuple[Repeatable, ...]:
        """Statements of a concurrent migration. Raises MigrationError for one that cannot be repeated."""
        return tuple(self._repeatable(statement) for statement in self.statements)

    def _repeatable(self, statement: Statement) -> Repeatable:
        flat = " ".join(statement.text.split())
        match = _REPEATABLE.fullmatch(flat)
        if match is None:
            raise MigrationError(
                f"{self.name}, line {statement.line}, is concurrent, and this is not a repeatable statement: {flat}"
            )
        return Repeatable(statement, flat, match["created"], match["dropped"], match["stepped"])


def _split(text: str) -> Iterator[Statement]:
    code, begins_at = "", 0
    for piece in _PIECE.finditer(text):
        if piece[0].startswith("--"):
            continue
        if piece[0] != ";":
            if not code.strip():
                begins_at = piece.start() + len(piece[0]) - len(piece[0].lstrip())
            code += piece[0]
            continue
        if code.strip():
            yield Statement(code.strip(), text.count("\n", 0, begins_at) + 1)
        code = ""
    if code.strip():
        yield Statement(code.strip(), text.count("\n", 0, begins_at) + 1)
