"""pg_dump and pg_restore, run to their end. The password is passed in the environment, never on the command line."""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from ops.console.errors import GatewayError
from ops.stack.services.postgres import programs_dir
from runtime.settings import Settings

LIBPQ_PARAMETERS = {
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
}
"""The parameters of DATABASE_URL that both asyncpg and libpq have."""


async def run_program(settings: Settings, name: str, *arguments: str) -> None:
    """Raises GatewayError with the program's last output."""
    environment = {**os.environ, **libpq_variables(settings), "PGAPPNAME": name}
    process = await asyncio.create_subprocess_exec(
        _path(name), *arguments, env=environment, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
    )
    try:
        _, output = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        last = output.decode(errors="replace").strip().splitlines()[-3:]
        raise GatewayError(f"{name} ended with code {process.returncode}: {' '.join(last)}")


def libpq_variables(settings: Settings) -> dict[str, str]:
    """DATABASE_URL in the variables of PostgreSQL's own programs. It may name several hosts, separated by commas."""
    url = urlsplit(settings.database_url.get_secret_value())
    account, _, hosts = url.netloc.rpartition("@")
    user, _, password = account.partition(":")
    places = [_host_and_port(host) for host in hosts.split(",")]
    found = {
        "PGHOST": ",".join(host for host, _ in places),
        "PGPORT": ",".join(port for _, port in places),
        "PGUSER": unquote(user),
        "PGPASSWORD": unquote(password),
        "PGDATABASE": database_name(settings),
    }
    for parameter, values in parse_qs(url.query).items():
        if parameter in LIBPQ_PARAMETERS:
            found[LIBPQ_PARAMETERS[parameter]] = values[-1]
    return found


def _host_and_port(place: str) -> tuple[str, str]:
    """`host`, `host:port` or `[address]:port`."""
    parts = urlsplit(f"//{place}")
    return parts.hostname or "localhost", str(parts.port or 5432)


def database_name(settings: Settings) -> str:
    return unquote(urlsplit(settings.database_url.get_secret_value()).path.removeprefix("/"))


def _path(name: str) -> str:
    path = programs_dir() / name
    found = str(path) if Path(path).exists() else shutil.which(name)
    if found is None:
        raise GatewayError(f"{name} is not installed; it is in the package postgresql-client.")
    return found
