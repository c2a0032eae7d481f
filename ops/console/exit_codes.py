"""How a command of this package ends: its exit codes, and the one place where broken surroundings become a sentence.

0 nothing to report    1 something is wrong in the gateway    2 asked wrongly    4 a part cannot be reached
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aiokafka.errors import KafkaError

from ops.console.errors import GatewayError
from ops.stack.environment import enter, single_plan
from runtime.settings import Settings
from store.errors import DatabaseError, MissingTableError, StatementRefusedError
from topics.admin import TopicMismatchError
from topics.producer import LogUnavailableError

T = TypeVar("T")

FOUND, ASKED_WRONGLY, UNREACHABLE = 1, 2, 4


class AskedWronglyError(GatewayError):
    """An unknown id, topic or type, or an expression that cannot be read."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, exit_code=ASKED_WRONGLY)


def run(work: Callable[[Settings], Coroutine[Any, Any, T]]) -> T:
    """Run one command's work with the settings of this environment. Ends in a value or in a GatewayError.

    Redis is the work's own matter: few commands need it, and its client takes long to import.
    """
    settings = enter(single_plan())
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(work(settings))
    except (KafkaError, LogUnavailableError) as error:
        servers = settings.kafka_bootstrap_servers
        raise GatewayError(f"The log at {servers} does not answer ({_name(error)}).", exit_code=UNREACHABLE) from error
    except TopicMismatchError as error:
        raise GatewayError(str(error)) from error
    except MissingTableError as error:
        raise GatewayError(f"The database lacks a table ({error}); run `gateway migrate`.") from error
    except StatementRefusedError as error:
        raise GatewayError(f"The database refused ({error}).", exit_code=UNREACHABLE) from error
    except DatabaseError as error:
        raise GatewayError(f"The database does not answer ({error}).", exit_code=UNREACHABLE) from error
    except OSError as error:
        raise GatewayError(f"A part does not answer ({_name(error)}: {error}).", exit_code=UNREACHABLE) from error


def _name(error: BaseException) -> str:
    return type(error).__name__
