"""Builds and tests the pages and the SDK (npm workspaces at the root): `gateway pages build`, `test`, `types`.

`npm ci` runs when the lock file changed or `node_modules` is gone, `npm run build` when any source changed. Both states
are stamps in the clone's cache, so that every stack of the clone shares them.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import typer

from ops.console.environment import REPOSITORY, SHARED_CACHE
from ops.console.errors import GatewayError
from ops.console.progress import step
from ops.site.build import build_site
from ops.stack.currency_table import write_currency_table
from ops.stack.event_catalogue import write_event_catalogue
from ops.stack.install import node_folder, one_at_a_time
from ops.stack.role_catalogue import write_role_catalogue

MADE_HERE = {"node_modules", "dist", "coverage", ".vite"}
ROOT_FILES = ("package.json", "package-lock.json", "tsconfig.json", "tsconfig.base.json", "biome.json")
BUILD_SECONDS_MAX = 600
LINES_SHOWN = 15

pages = typer.Typer(help="Build and test the pages and the SDK.", no_args_is_help=True)


@pages.command("build")
def build() -> None:
    """Install missing npm packages and build stale pages."""
    with step("pages") as current:
        current.note(build_pages())


@pages.command("test")
def test() -> None:
    """Lint, type-check and test the workspaces, with npm's own output."""
    _run_script("check")


@pages.command("docs")
def docs() -> None:
    """Build the documentation into pages/dist; the pages role serves it under /docs/ from its next start."""
    with step("documentation") as current:
        build_site()
        current.note("built")


@pages.command("types")
def types() -> None:
    """Generate the TypeScript wire types from docs/openapi.json, and events, roles and currencies from the domain."""
    write_event_catalogue()
    write_role_catalogue()
    write_currency_table()
    _run_script("wire")


def _run_script(name: str) -> None:
    with step("npm"), one_at_a_time("pages"):
        _install()
    done = subprocess.run(
        _npm_line("run", name), cwd=REPOSITORY, env=_environment(), timeout=BUILD_SECONDS_MAX, check=False
    )
    raise typer.Exit(done.returncode)


def build_pages() -> str:
    """Build what is stale; returns a word for what was done. Raises GatewayError with the last lines of npm's
    output."""
    with one_at_a_time("pages"):
        done = [word for word, did in (("installed", _install()), ("built", _build())) if did]
    return " and ".join(done) or "unchanged"


def _install() -> bool:
    lock = REPOSITORY / "package-lock.json"
    current = _digest([lock] if lock.exists() else [REPOSITORY / "package.json"])
    if _stamp("npm").exists() and _stamp("npm").read_text() == current and (REPOSITORY / "node_modules").is_dir():
        return False
    _npm("ci" if lock.exists() else "install", "--no-audit", "--no-fund")
    _stamp("npm").write_text(current)
    return True


def _build() -> bool:
    current = _digest(sources())
    if _stamp("pages").exists() and _stamp("pages").read_text() == current and _is_built():
        return False
    _npm("run", "build")
    _stamp("pages").write_text(current)
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
    done = subprocess.run(
        _npm_line(*arguments),
        cwd=REPOSITORY,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_SECONDS_MAX,
        check=False,
    )
    if done.returncode != 0:
        raise GatewayError(f"npm {' '.join(arguments)} failed:\n{_failure(done.stdout)}")


def _failure(output: str) -> str:
    """The lines that end with npm's first error: npm continues with the other workspaces, whose success comes last."""
    lines = output.splitlines()
    first = next((number for number, line in enumerate(lines) if line.startswith("npm error")), len(lines))
    return "\n".join(lines[max(0, first - LINES_SHOWN) : first + 5])


def _npm_line(*arguments: str) -> list[str]:
    return [str(_node_folder() / "npm"), *arguments]


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{_node_folder()}{os.pathsep}{os.environ.get('PATH', '')}", "CI": "true"}


def _node_folder() -> Path:
    folder = node_folder()
    if folder is None:
        raise GatewayError("Node 20 or newer is needed for the pages; `gateway install` brings one.")
    return folder
