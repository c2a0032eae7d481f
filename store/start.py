"""What a starting process reads from the database: whether it may start, and with how many partitions.

    may_start(settings)            raises UnmigratedError, PartitionCountError; DatabaseError if there is no response
    may_start_blindly(settings)    the same, but an unavailable database is ignored: the process waits for it later

Migrations come before the processes that need them (docs/RUNBOOK.md, "Upgrade").
"""

from __future__ import annotations

from runtime.logs import get_logger
from runtime.settings import Settings
from store.errors import DatabaseError
from store.log.log_partitions import PartitionCountError, look, with_counts
from store.schema.migrate import pending
from store.schema.migration import MigrationError

log = get_logger("start")


class UnmigratedError(RuntimeError):
    """The database lacks migrations of this version."""


REFUSED = (UnmigratedError, PartitionCountError, MigrationError)
"""What a start is refused with; the text is for the operator."""


async def may_start(settings: Settings) -> Settings:
    """The settings to start with. Raises one of REFUSED, DatabaseError, OSError."""
    if missing := await pending(settings):
        raise UnmigratedError(
            f"The database lacks {len(missing)} migrations of this version, the first is "
            f"{missing[0].migration.name}. Run `gateway migrate` with this version, then start its roles."
        )
    return with_counts(settings, await look(settings))


async def may_start_blindly(settings: Settings) -> Settings:
    """Unchanged if the database does not respond. Raises one of REFUSED."""
    try:
        return await may_start(settings)
    except (DatabaseError, OSError) as error:
        log.warning("started_without_database", error=repr(error))
        return settings
