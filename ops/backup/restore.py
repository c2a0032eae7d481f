"""`gateway restore BACKUP`: the database as it was, while nothing is connected to it.

    manifest, digests ─► of this log? no connections? empty, or --replace? ─► pg_restore ─► `gateway recover`

It can be repeated after a failure: it starts by removing what is there. What was decided after the backup is on the
log; until `gateway recover --apply` has fetched it, the payment actors keep their partitions closed.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ops.backup.backup import JOBS
from ops.backup.manifest import DATABASE, Manifest, read_manifest
from ops.backup.programs import database_name, run_program
from ops.console.errors import GatewayError
from ops.console.exit_codes import run
from ops.console.output import console
from runtime.settings import Settings
from store.log.log_partitions import remember_first
from store.operations.audit import connect
from store.operations.backup import empty_database, is_empty, other_sessions
from store.schema.migrate import migrate, migrations
from topics.catalogue import EVENTS
from topics.reader import Start, log_reader


def restore(
    backup: Annotated[Path, typer.Argument(help="A folder made by `gateway backup`.")],
    replace: Annotated[bool, typer.Option("--replace", help="Delete the database's current contents.")] = False,
) -> None:
    """Replace the database with a backup. `gateway recover --apply` then brings it up to date with the log."""
    began = time.monotonic()
    manifest = read_manifest(backup)
    run(lambda settings: put_back(settings, backup, manifest, replace=replace))
    console.print(
        f"restored the database of {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC in {time.monotonic() - began:.1f} s"
    )
    console.print("next: `gateway recover --apply`, then start the roles")


async def put_back(settings: Settings, folder: Path, manifest: Manifest, *, replace: bool) -> None:
    """Raises GatewayError, before anything is changed, if this must not be done."""
    _refuse_newer(manifest)
    await _refuse_other_log(settings, manifest)
    connection = await connect(settings.database_url.get_secret_value())
    try:
        if names := await other_sessions(connection):
            raise GatewayError(
                f"{len(names)} sessions are connected ({', '.join(sorted(set(names)))}); stop the roles first: "
                "`gateway down`, then `gateway up --services-only`."
            )
        if not (replace or await is_empty(connection)):
            raise GatewayError("The database is not empty; --replace deletes its contents.")
        await empty_database(connection)
    finally:
        await connection.close()
    await run_program(
        settings, "pg_restore", f"--jobs={JOBS}", "--no-owner", "--exit-on-error",
        f"--dbname={database_name(settings)}", str(folder / DATABASE),
    )  # fmt: skip
    await migrate(settings)
    connection = await connect(settings.database_url.get_secret_value())
    try:
        await remember_first(connection, manifest.topic_partitions)  # a backup from before this was remembered
    finally:
        await connection.close()


def _refuse_newer(manifest: Manifest) -> None:
    unknown = set(manifest.migrations) - {migration.name for migration in migrations()}
    if unknown:
        raise GatewayError(f"The backup is from a newer version; this version does not have migration {min(unknown)}.")


async def _refuse_other_log(settings: Settings, manifest: Manifest) -> None:
    """A log that is shorter than at the time of the backup is a different log, or has lost its end: the backup would be
    ahead of it."""
    async with log_reader(settings) as reader:
        spans = await reader.spans(await reader.partitions([EVENTS]), Start())
    ends = {place.partition: end for place, (_, end) in spans.items()}
    shorter = sorted(partition for partition, end in manifest.events.items() if ends.get(partition, 0) < end)
    if shorter:
        partitions = ", ".join(map(str, shorter))
        raise GatewayError(
            f"The log is shorter than when the backup was taken (partitions {partitions}). "
            "Check KAFKA_BOOTSTRAP_SERVERS."
        )
