"""How a command of this package ends: its exit codes, and how an unavailable service is reported.

0 nothing to report    1 something is wrong in the gateway    2 wrong usage    4 a service cannot be reached
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from ops.console.environment import enter, single_plan
from ops.console.errors import GatewayError
from runtime.settings import Settings
from store.errors import DatabaseError, MissingTableError, StatementRefusedError
from store.log.log_partitions import PartitionCountError, counted
from store.schema.migration import MigrationError
from topics.admin import TopicMismatchError
from topics.producer import LogUnavailableError

T = TypeVar("T")

FOUND, USAGE_ERROR, UNREACHABLE = 1, 2, 4
NEXT_STEP = "`gateway health` shows what is down; `gateway up` starts the services of this machine."


NOT_PERMITTED = (ClusterAuthorizationFailedError, GroupAuthorizationFailedError, TopicAuthorizationFailedError)


class UsageError(GatewayError):
    """An unknown id, topic or type, or an expression that cannot be read."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, exit_code=USAGE_ERROR)


def run(work: Callable[[Settings], Coroutine[Any, Any, T]]) -> T:
    """Run one command's work with the settings of this environment. Ends in a value or in a GatewayError.

    The work opens Redis itself: few commands need it, and its client takes long to import.
    """
    settings = enter(single_plan())
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    async def with_partitions() -> T:
        return await work(await counted(settings))

    try:
        return asyncio.run(with_partitions())
    except NOT_PERMITTED as error:
        user = settings.kafka_sasl_username or "a client without a user"
        raise GatewayError(f"The log does not permit this to {user} ({_name(error)}); see docs/LOCKS.md.") from error
    except (KafkaError, LogUnavailableError) as error:
        servers = settings.kafka_bootstrap_servers
        raise GatewayError(
            f"The log at {servers} is unavailable ({_name(error)}). {NEXT_STEP}", exit_code=UNREACHABLE
        ) from error
    except (TopicMismatchError, PartitionCountError, MigrationError) as error:
        raise GatewayError(str(error)) from error
    except MissingTableError as error:
        raise GatewayError(f"A table is missing from the database ({error}); run `gateway migrate`.") from error
    except StatementRefusedError as error:
        raise GatewayError(
            f"The database rejected the request ({error}). Check the user and the database in DATABASE_URL.",
            exit_code=UNREACHABLE,
        ) from error
    except DatabaseError as error:
        raise GatewayError(f"The database is unavailable ({error}). {NEXT_STEP}", exit_code=UNREACHABLE) from error
    except OSError as error:
        raise GatewayError(
            f"A service is unavailable ({_name(error)}: {error}). {NEXT_STEP}", exit_code=UNREACHABLE
        ) from error


def _name(error: BaseException) -> str:
    return type(error).__name__
