"""Built pages, read into memory once: a rebuild under a running process never serves half of itself.

folder/assets/app.1a2b.js (+ .gz, .br)  ->  files["/assets/app.1a2b.js"]  ->  Response in the best encoding
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

PRECOMPRESSED = {"br": ".br", "gzip": ".gz"}
"""Content encoding -> file ending, the smaller one first."""
TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".mts": "text/plain", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class File:
    """One file with its precompressed twins."""

    content_type: str
    etag: str
    encodings: Mapping[str, bytes]
    """Content encoding (`identity` among them) -> bytes."""

    def respond(self, request: Request, headers: Mapping[str, str]) -> Response:
        """200 in an encoding the client takes, or 304 if it has this very content."""
        encoding = _chosen(self.encodings, request.headers.get("accept-encoding", ""))
        sent = {**headers, "ETag": f'"{self.etag}-{encoding}"', "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == sent["ETag"]:
            return Response(status_code=304, headers=sent)
        if encoding != "identity":
            sent["Content-Encoding"] = encoding
        return Response(self.encodings[encoding], headers=sent, media_type=self.content_type)

    def with_text(self, replaced: Mapping[str, str], *, without: re.Pattern[str] | None = None) -> File:
        """The same document with these texts replaced, compressed again. `without`: texts that are removed."""
        text = without.sub("", self.text) if without else self.text
        for before, after in replaced.items():
            text = text.replace(before, after)
        content = text.encode()
        encodings = {"gzip": gzip.compress(content, mtime=0), "identity": content}
        return File(self.content_type, _etag(content), encodings)

    @property
    def text(self) -> str:
        return self.encodings["identity"].decode()


def read_folder(folder: Path) -> dict[str, File]:
    """Path as in a URL -> file. A folder that is not built yet has no files."""
    endings = tuple(PRECOMPRESSED.values())
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith(endings))
    return {f"/{path.relative_to(folder).as_posix()}": _read(path) for path in found}


def _read(path: Path) -> File:
    content = path.read_bytes()
    twins = {name: path.with_name(path.name + ending) for name, ending in PRECOMPRESSED.items()}
    compressed = {name: twin.read_bytes() for name, twin in twins.items() if twin.is_file()}
    return File(
        content_type=TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        etag=_etag(content),
        encodings={**compressed, "identity": content},
    )


def _etag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]


def _chosen(encodings: Mapping[str, bytes], accepted: str) -> str:
    """RFC 9110 §12.5.3, as far as two encodings need it: those listed and not refused by `q=0`."""
    acceptable = {}
    for part in accepted.lower().split(","):
        name, _, parameter = part.strip().partition(";")
        acceptable[name.strip()] = parameter.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return next((name for name in PRECOMPRESSED if name in encodings and acceptable.get(name)), "identity")
