"""pg_dump and pg_restore, run to their end. The password goes by the environment, never by the command line."""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ops.console.errors import GatewayError
from ops.stack.services.postgres import programs_dir
from runtime.settings import Settings


async def run_program(settings: Settings, name: str, *arguments: str) -> None:
    """Raises GatewayError with the program's last words."""
    url = urlsplit(settings.database_url.get_secret_value())
    environment = {
        **os.environ,
        "PGHOST": url.hostname or "localhost",
        "PGPORT": str(url.port or 5432),
        "PGUSER": unquote(url.username or ""),
        "PGPASSWORD": unquote(url.password or ""),
        "PGDATABASE": database_name(settings),
        "PGAPPNAME": name,
    }
    process = await asyncio.create_subprocess_exec(
        _path(name), *arguments, env=environment, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
    )
    try:
        _, said = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        last = said.decode(errors="replace").strip().splitlines()[-3:]
        raise GatewayError(f"{name} ended with code {process.returncode}: {' '.join(last)}")


def database_name(settings: Settings) -> str:
    return unquote(urlsplit(settings.database_url.get_secret_value()).path.removeprefix("/"))


def _path(name: str) -> str:
    path = programs_dir() / name
    found = str(path) if Path(path).exists() else shutil.which(name)
    if found is None:
        raise GatewayError(f"{name} is not installed; it comes with PostgreSQL's client programs.")
    return found
