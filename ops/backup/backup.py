"""`gateway backup FOLDER`: everything PostgreSQL holds, in one snapshot, beside a running gateway.

    end of the events topic ─► pg_dump (a snapshot: it holds all of that, and more) ─► digests ─► manifest

What is decided after the snapshot is not in the backup; it is on the log, from which `gateway recover` takes it.
Secrets in it are sealed with SECRET_KEY, which is not in it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ops.backup.manifest import DATABASE, Manifest, digests
from ops.backup.programs import run_program
from ops.console.errors import GatewayError
from ops.console.exit_codes import run
from ops.console.output import console
from runtime.clock import now
from runtime.settings import Settings
from store.connections import make_pool
from store.operations.audit import connect, deployment_id
from store.operations.backup import applied_migrations
from store.order_keys import make_roots
from topics.catalogue import EVENTS
from topics.reader import Start, log_reader

JOBS = 2
"""Tables dumped at a time, each over a session of its own."""
WORKING_SCHEMAS = ("rebuild", "recover")
"""Working schemas of running commands."""


def backup(
    folder: Annotated[Path, typer.Argument(help="Folder for backups; each one gets its own subfolder.")],
) -> None:
    """Back up PostgreSQL with the log's positions. The gateway may be running."""
    began = time.monotonic()
    made, manifest = run(lambda settings: take(settings, folder))
    size = sum(path.stat().st_size for path in (made / DATABASE).iterdir())
    console.print(f"{made}", markup=False)
    console.print(
        f"{size / 1e6:,.1f} MB in {time.monotonic() - began:.1f} s; "
        f"the log had {sum(manifest.events.values()):,} records of events"
    )


async def take(settings: Settings, folder: Path) -> tuple[Path, Manifest]:
    """(the backup's folder, its manifest). Raises GatewayError."""
    made = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    try:
        made.mkdir(parents=True)
    except OSError as error:
        raise GatewayError(f"{made} cannot be made: {error.strerror}. Choose another folder.") from error
    await _make_keys_ahead(settings)
    connection = await connect(settings.database_url.get_secret_value())
    try:
        deployment, migrations = await deployment_id(connection), await applied_migrations(connection)
    finally:
        await connection.close()
    events, taken_at = await _event_ends(settings), now()
    await run_program(
        settings, "pg_dump", "--format=directory", f"--jobs={JOBS}", "--no-owner",
        *(f"--exclude-schema={name}" for name in WORKING_SCHEMAS), f"--file={made / DATABASE}",
    )  # fmt: skip
    manifest = Manifest(deployment, taken_at, migrations, settings.topic_partitions, events, digests(made / DATABASE))
    manifest.write(made)
    return made, manifest


async def _make_keys_ahead(settings: Settings) -> None:
    """What is sealed after the snapshot must open on the restored database."""
    if settings.personal_fields == "sealed":
        pool = await make_pool(settings, size=1)
        try:
            await make_roots(pool, settings.keys, now().date())
        finally:
            await pool.close()


async def _event_ends(settings: Settings) -> dict[int, int]:
    """Before the snapshot: an event is committed before it is on the log, so the snapshot has every one of these."""
    async with log_reader(settings) as reader:
        spans = await reader.spans(await reader.partitions([EVENTS]), Start())
    return {place.partition: end for place, (_, end) in spans.items()}
