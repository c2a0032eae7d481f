"""The errors of the database, independent of the driver's own classes: store/driver.py translates them.

DatabaseError
├── DatabaseUnavailableError it cannot be reached, is overloaded or too slow; another attempt may succeed
│   ├── ConnectionLostError  a connection broke or was refused: the server is stopping or starting
│   ├── LockTimeoutError     a lock was not free within the session's lock_timeout
│   └── RolledBackError      the server broke a deadlock, or two transactions collided
└── StatementRefusedError    the statement or one of its values is at fault; another attempt cannot succeed
    ├── ValueRefusedError    a value does not fit, or breaks a constraint
    │   └── DuplicateError   a unique constraint; `constraint` is its name
    └── SchemaError          a table, column or privilege is missing
        └── MissingTableError
"""

from __future__ import annotations


class DatabaseError(Exception):
    """Any failure of a call to the database."""


class DatabaseUnavailableError(DatabaseError):
    """The database cannot be reached, is restarting, overloaded or too slow. Whether a write took effect is unknown."""


class ConnectionLostError(DatabaseUnavailableError):
    """A connection broke or was refused."""


class LockTimeoutError(DatabaseUnavailableError):
    """A lock was not free within lock_timeout."""


class RolledBackError(DatabaseUnavailableError):
    """The transaction was rolled back so that another one could continue."""


class StatementRefusedError(DatabaseError):
    """Another attempt with the same statement and the same values cannot succeed."""


class ValueRefusedError(StatementRefusedError):
    """A value is too long, out of range or malformed, or breaks a constraint."""


class DuplicateError(ValueRefusedError):
    """A row with this key exists."""

    def __init__(self, message: str, *, constraint: str | None) -> None:
        super().__init__(message)
        self.constraint = constraint


class SchemaError(StatementRefusedError):
    """The statement does not fit the schema, or the role may not run it."""


class MissingTableError(SchemaError):
    """The database was not migrated."""
