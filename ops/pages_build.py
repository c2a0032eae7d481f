"""Builds the pages and the SDK (npm workspaces at the root), and skips what has not changed.

`npm ci` runs when the lock file changed or `node_modules` is gone, `npm run build` when any source changed. Both facts
are stamps in the clone's cache, so that every stack of the clone shares them.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ops.environment import REPOSITORY, SHARED_CACHE
from ops.errors import GatewayError
from ops.install import node_folder, one_at_a_time

MADE_HERE = {"node_modules", "dist", "coverage", ".vite"}
ROOT_FILES = ("package.json", "package-lock.json", "tsconfig.json", "tsconfig.base.json", "biome.json")
BUILD_SECONDS_MAX = 600


def build_pages() -> str:
    """Build what is stale; a word for what was done. Raises GatewayError with the last lines of npm's output."""
    if not (REPOSITORY / "package.json").exists():
        return "no package.json yet, skipped"
    with one_at_a_time("pages"):
        done = [word for word, did in (("installed", _install()), ("built", _build())) if did]
    return " and ".join(done) or "unchanged"


def _install() -> bool:
    lock = REPOSITORY / "package-lock.json"
    wanted = _digest([lock] if lock.exists() else [REPOSITORY / "package.json"])
    if _stamp("npm").exists() and _stamp("npm").read_text() == wanted and (REPOSITORY / "node_modules").is_dir():
        return False
    _npm("ci" if lock.exists() else "install", "--no-audit", "--no-fund")
    _stamp("npm").write_text(wanted)
    return True


def _build() -> bool:
    wanted = _digest(sources())
    if _stamp("pages").exists() and _stamp("pages").read_text() == wanted and _is_built():
        return False
    _npm("run", "build")
    _stamp("pages").write_text(wanted)
    return True


def sources() -> Iterator[Path]:
    """Every file that a build reads, in a fixed order."""
    yield from (REPOSITORY / name for name in ROOT_FILES if (REPOSITORY / name).exists())
    for folder in workspaces():
        for path, folders, files in os.walk(REPOSITORY / folder):
            folders[:] = sorted(set(folders) - MADE_HERE)
            yield from (Path(path) / name for name in sorted(files))


def workspaces() -> list[str]:
    """The workspaces that package.json names."""
    listed = json.loads((REPOSITORY / "package.json").read_text(encoding="utf-8")).get("workspaces", [])
    return sorted(listed if isinstance(listed, list) else listed.get("packages", []))


def _is_built() -> bool:
    """Each workspace that has a build has its output."""
    return all((REPOSITORY / folder / "dist").is_dir() for folder in workspaces() if _has_build(folder))


def _has_build(folder: str) -> bool:
    manifest = REPOSITORY / folder / "package.json"
    return manifest.exists() and "build" in json.loads(manifest.read_text(encoding="utf-8")).get("scripts", {})


def _stamp(name: str) -> Path:
    return SHARED_CACHE / f"{name}.stamp"


def _digest(paths: list[Path] | Iterator[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(str(path.relative_to(REPOSITORY)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _npm(*arguments: str) -> None:
    folder = node_folder()
    if folder is None:
        raise GatewayError("Node 20 or newer is needed to build the pages; `gateway install` brings one.")
    done = subprocess.run(
        [folder / "npm", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}", "CI": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_SECONDS_MAX,
        check=False,
    )
    if done.returncode != 0:
        said = "\n".join(done.stdout.splitlines()[-15:])
        raise GatewayError(f"npm {' '.join(arguments)} failed:\n{said}")
