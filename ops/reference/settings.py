"""docs/reference/SETTINGS.md: every setting with its default, its bounds and what it means.

The sentences are the docstrings of the classes' fields: nothing is written twice.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from ops.console.environment import OPERATIONS_VARIABLES
from ops.reference.page import code, page, table
from pages.settings import PagesSettings
from runtime.settings import Settings

INTRODUCTION = """Every process reads its settings from the environment once, at its start. `.env.example` has the
same names; copy it to `.env`, which `make up` and Docker Compose read. An empty value counts as not given. A bad
value ends the start with exit code 78 and a sentence that names it. The end of a name is its unit: `_MS`
milliseconds, `_SECONDS`, `_DAYS`, `_PER_MINUTE`."""
HEADING = re.compile(r"^ {4}# (.+)$")
OPERATIONS: dict[str, tuple[str, str]] = {
    "GATEWAY_RUN_DIR": (".run", "Folder with the data and logs of the local stack."),
    "LISTEN_HOST": ("127.0.0.1", "Address that the API and the pages listen on."),
    "POSTGRES_PORT": ("5432", "Port of the local PostgreSQL; the next node is one port above."),
    "REDIS_PORT": ("6379", "Port of the local Redis."),
    "KAFKA_PORT": ("9092", "Port of the local Kafka broker; the next broker is two ports above."),
    "KAFKA_CONTROLLER_PORT": ("9093", "Port of the local Kafka controller; the next one is two ports above."),
    "KAFKA_JVM_OPTIONS": (
        "",
        "Options of Java for the broker of the local stack, behind its own. `-XX:TieredStopAtLevel=4`: optimize.",
    ),
    "KAFKA_BROKERS": ("1", "Brokers of the local stack. With 3, each record is on all of them."),
    "POSTGRES_NODES": ("1", "PostgreSQL nodes of the local stack. With 2, Patroni promotes the standby."),
    "PATRONI_PORT": ("8008", "Port of Patroni on the first node; the next one is one port above."),
    "ETCD_PORT": ("2379", "First of six ports for the three members of etcd."),
}
"""Default and meaning of the settings that only the local runner reads."""


def settings_page() -> str:
    """The whole page. Raises KeyError for a setting of the runner that is not explained above."""
    sections = [
        f"## {heading}\n\n{table(('setting', 'default', 'allowed', 'meaning'), rows)}"
        for heading, rows in _sections(Settings).items()
    ]
    local = [(code(name), code(OPERATIONS[name][0]), "", OPERATIONS[name][1]) for name in OPERATIONS_VARIABLES]
    own = [row for rows in _sections(PagesSettings).values() for row in rows]
    return page(
        "Settings",
        "`runtime/settings.py`",
        INTRODUCTION,
        *sections,
        "## Pages\n\n" + table(("setting", "default", "allowed", "meaning"), own),
        "## The local stack\n\n" + table(("setting", "default", "allowed", "meaning"), local),
    )


def _sections(settings: type[BaseSettings]) -> dict[str, list[tuple[str, ...]]]:
    """Heading -> rows, in the order of the source."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for name, heading, meaning in _documented(settings):
        field = settings.model_fields[name]
        row = (code(name.upper()), code(_default(field)), _allowed(field), _as_markdown(meaning))
        found.setdefault(heading, []).append(row)
    return found


def _documented(settings: type[BaseSettings]) -> Iterator[tuple[str, str, str]]:
    """(name, heading, sentence) of each field. Raises ValueError for a field without a sentence."""
    lines = inspect.getsource(settings).splitlines()
    (body,) = (node.body for node in ast.parse("\n".join(lines)).body if isinstance(node, ast.ClassDef))
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_":
            match after:
                case ast.Expr(value=ast.Constant(value=str(sentence))):
                    yield node.target.id, _heading(lines[: node.lineno]), sentence
                case _:
                    raise ValueError(f"{settings.__name__}.{node.target.id} has no sentence that explains it")


def _heading(above: list[str]) -> str:
    headings = [found[1] for found in map(HEADING.match, above) if found]
    return headings[-1] if headings else ""


def _default(field: FieldInfo) -> str:
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    match value:
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(map(str, value))
        case None:
            return ""
    return str(value)


def _allowed(field: FieldInfo) -> str:
    """Bounds, or the words of a choice."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(code(str(word)) for word in get_args(field.annotation))
    if field.annotation is bool:
        return "`true`, `false`"
    bounds = _bounds(field.metadata)
    match bounds.get("ge"), bounds.get("le"):
        case None, None:
            return ""
        case low, None:
            return f"{low:,} or more"
        case low, high:
            return f"{low:,} to {high:,}"


def _bounds(metadata: list[Any]) -> Mapping[str, Any]:
    return {name: getattr(one, name) for one in metadata for name in ("ge", "le") if hasattr(one, name)}


def _as_markdown(sentence: str) -> str:
    """A setting's name in the sentence becomes code."""
    return re.sub(r"(?<![`\w])[A-Z]+(?:_[A-Z]+)+(?![`\w])", lambda name: code(name[0]), sentence)
