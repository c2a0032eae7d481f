"""Structured logs on standard error: JSON outside a terminal, one line for each fact, no fields of cards or payers.

log = get_logger("processor"); log.info("payment_settled", payment_id=…, outcome=…)
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

from runtime.settings import Settings

FORBIDDEN = frozenset(
    {
        "authorization", "card", "card_cvv", "card_number", "cookie", "csrf_token", "cvc", "cvv", "number", "pan",
        "password", "secret", "api_secret", "x-api-secret", "token", "email", "contact", "customer", "vpa",
    }
)  # fmt: skip
"""Field names whose values never reach a log line, in whatever structure: secrets, card data, personal data."""

Fields = MutableMapping[str, Any]


class _Lines(io.TextIOBase):
    """Standard error; a full disk or a closed pipe costs lines, never a response."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            return sys.stderr.write(text)
        return 0

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def redact(_logger: object, _method: str, fields: Fields) -> Fields:
    """structlog processor: values of forbidden names become `[redacted]`, at any depth."""
    return {name: _redacted(name, value) for name, value in fields.items()}


def _redacted(name: str, value: object) -> object:
    if name.lower() in FORBIDDEN:
        return "[redacted]"
    if isinstance(value, dict):
        return {inner: _redacted(str(inner), part) for inner, part in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", part) for part in value]
    return value


def configure_logs(settings: Settings, *, role: str, worker: str) -> None:
    """Set up structlog for this process; every line has `role` and `worker`."""
    as_json = settings.log_json if settings.log_json is not None else not sys.stderr.isatty()
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if as_json else _untouched,
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=cast(TextIO, _Lines())),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(role=role, worker=worker)


def _untouched(_logger: object, _method: str, fields: Fields) -> Fields:
    return fields


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Logger whose lines carry `part=name`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(part=name)
    return logger


# A process that never configures its logs, the command line, keeps them off standard output, which is for results.
structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=cast(TextIO, _Lines())))
