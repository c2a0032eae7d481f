"""The driver's exceptions map to a few errors; all but plain faults of a statement are outages."""

from __future__ import annotations

import inspect

import asyncpg
import pytest

from store.driver import DRIVER_ERRORS, translated, translating
from store.errors import (
    ConnectionLostError,
    DatabaseError,
    DatabaseUnavailableError,
    DuplicateError,
    MissingTableError,
    RolledBackError,
    SchemaError,
    StatementRefusedError,
    ValueRefusedError,
)

REFUSED_CLASSES = {"22", "23", "42", "54"}
"""Data exception, integrity constraint violation, syntax or access rule violation, program limit exceeded."""
SERVER_ERRORS = [
    found
    for _, found in inspect.getmembers(asyncpg.exceptions, inspect.isclass)
    if issubclass(found, asyncpg.PostgresError) and found.sqlstate is not None
]


@pytest.mark.parametrize("kind", SERVER_ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_but_a_faulty_statement_is_an_outage(kind: type[asyncpg.PostgresError]) -> None:
    refused = kind.sqlstate[:2] in REFUSED_CLASSES
    assert isinstance(translated(kind("why")), StatementRefusedError if refused else DatabaseUnavailableError)


@pytest.mark.parametrize(
    ("kind", "meaning"),
    [
        (asyncpg.ConnectionDoesNotExistError, ConnectionLostError),
        (asyncpg.CannotConnectNowError, ConnectionLostError),
        (asyncpg.AdminShutdownError, ConnectionLostError),
        (asyncpg.InternalClientError, ConnectionLostError),
        (ConnectionRefusedError, ConnectionLostError),
        (asyncpg.TooManyConnectionsError, DatabaseUnavailableError),
        (asyncpg.InterfaceError, DatabaseUnavailableError),
        (asyncpg.QueryCanceledError, DatabaseUnavailableError),
        (TimeoutError, DatabaseUnavailableError),
        (OSError, DatabaseUnavailableError),
        (asyncpg.DeadlockDetectedError, RolledBackError),
        (asyncpg.SerializationError, RolledBackError),
        (asyncpg.UniqueViolationError, DuplicateError),
        (asyncpg.CheckViolationError, ValueRefusedError),
        (asyncpg.StringDataRightTruncationError, ValueRefusedError),
        (asyncpg.ProgramLimitExceededError, ValueRefusedError),
        (asyncpg.UndefinedTableError, MissingTableError),
        (asyncpg.UndefinedColumnError, SchemaError),
        (asyncpg.InsufficientPrivilegeError, SchemaError),
    ],
    ids=lambda kind: kind.__name__,
)
def test_an_error_of_the_driver_has_one_meaning(kind: type[Exception], meaning: type[DatabaseError]) -> None:
    error = kind("why")
    assert type(translated(error)) is meaning
    with pytest.raises(meaning) as raised, translating():
        raise error
    assert raised.value.__cause__ is error


def test_a_duplicate_names_its_constraint() -> None:
    error = asyncpg.UniqueViolationError("duplicate key")
    error.constraint_name = "events_pkey"
    found = translated(error)
    assert isinstance(found, DuplicateError)
    assert found.constraint == "events_pkey"


def test_a_defect_of_our_own_is_not_translated() -> None:
    with pytest.raises(KeyError), translating():
        raise KeyError("ours")
    assert not issubclass(DatabaseError, DRIVER_ERRORS)
