"""The manifest of a backup: its deployment and schema, and how far the log reached when it was taken."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from ops.console.errors import GatewayError

FORMAT = "payment-gateway-backup"
VERSION = 1
DATABASE, MANIFEST = "database", "manifest.json"
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """`events`: partition of the events topic -> its end before the snapshot was taken: all of it is in the backup.

    `files`: name below `database/` -> SHA-256.
    """

    deployment: str
    taken_at: datetime
    migrations: tuple[str, ...]
    topic_partitions: int
    events: dict[int, int]
    files: dict[str, str]

    def write(self, folder: Path) -> None:
        content = {"format": FORMAT, "version": VERSION, **asdict(self)}
        content["events"] = {str(partition): end for partition, end in self.events.items()}
        (folder / MANIFEST).write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def read_manifest(folder: Path) -> Manifest:
    """Raises GatewayError if the folder has no complete backup, or a file has changed."""
    try:
        found: dict[str, Any] = orjson.loads((folder / MANIFEST).read_bytes())
        if (found["format"], found["version"]) != (FORMAT, VERSION):
            raise ValueError(f"its format is {found['format']} {found['version']}")
        manifest = Manifest(
            deployment=str(found["deployment"]),
            taken_at=datetime.fromisoformat(found["taken_at"]),
            migrations=tuple(found["migrations"]),
            topic_partitions=int(found["topic_partitions"]),
            events={int(partition): int(end) for partition, end in found["events"].items()},
            files=dict(found["files"]),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise GatewayError(f"{folder} holds no complete backup: {error}. Use another backup.") from error
    damaged = [name for name, digest in manifest.files.items() if digest != _digest_or_none(folder / DATABASE / name)]
    if damaged:
        raise GatewayError(f"{folder} is damaged: {damaged[0]} is missing or was changed. Use another backup.")
    return manifest


def digests(folder: Path) -> dict[str, str]:
    """Name -> SHA-256 of each file."""
    return {path.name: digest(path) for path in sorted(folder.iterdir())}


def digest(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            total.update(chunk)
    return total.hexdigest()


def _digest_or_none(path: Path) -> str | None:
    return digest(path) if path.is_file() else None
