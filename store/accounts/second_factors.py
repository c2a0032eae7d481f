"""A user's second factor: the sealed seed of an authenticator app, and recovery codes.

    none ─ begin_factor ─► not confirmed ─ confirm_factor ─► enabled ─ end_factor ─► none

A check of a code locks the factor first (`lock_factor`), so that two requests with one code run one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from store.accounts.audit_log import Witness
from store.accounts.users import COLUMNS, MIRROR, User, lock_users, user_of
from store.driver import Connection, Pool, Row


@dataclass(frozen=True, slots=True)
class Factor:
    """`last_step`: of the last code that was used; -1: none. `wrong`: wrong codes that no right one has cleared."""

    sealed: bytes
    is_enabled: bool
    last_step: int
    wrong: int


@dataclass(frozen=True, slots=True)
class FactorState:
    """What a user may read about their own. `enabled_at` None: none is enabled."""

    enabled_at: datetime | None
    recovery_codes_left: int


# users_pkey
FIND = """
SELECT second_factor_from AS enabled_at,
       (SELECT count(*) FROM recovery_codes WHERE user_id = users.id AND used_at IS NULL) AS recovery_codes_left
  FROM users
 WHERE id = $1
"""
# users_pkey
BEGIN = """
UPDATE users
   SET second_factor_sealed = $2, second_factor_step = NULL
 WHERE id = $1 AND second_factor_from IS NULL AND removed_at IS NULL
RETURNING id
"""
# users_pkey
LOCK = """
SELECT second_factor_sealed AS sealed, second_factor_from IS NOT NULL AS is_enabled,
       coalesce(second_factor_step, -1) AS last_step, second_factor_wrong AS wrong
  FROM users
 WHERE id = $1 AND second_factor_sealed IS NOT NULL AND removed_at IS NULL
   FOR UPDATE
"""
# users_pkey
CONFIRM = f"""
UPDATE users
   SET second_factor_from = $2, second_factor_step = $3, second_factor_wrong = 0, sessions_from = $2
 WHERE id = $1
RETURNING {COLUMNS}
"""
# users_pkey
ACCEPT_STEP = """
UPDATE users
   SET second_factor_step = $2, second_factor_wrong = greatest(second_factor_wrong - $3::int, 0)
 WHERE id = $1
"""
# users_pkey
FORGET_WRONG = "UPDATE users SET second_factor_wrong = 0 WHERE id = $1"
COUNT_WRONG = "UPDATE users SET second_factor_wrong = second_factor_wrong + 1 WHERE id = $1"
# recovery_codes_pkey
USE_RECOVERY_CODE = """
UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL RETURNING user_id
"""
COUNT_RECOVERY_CODES = "SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL"
DELETE_RECOVERY_CODES = "DELETE FROM recovery_codes WHERE user_id = $1"
INSERT_RECOVERY_CODES = "INSERT INTO recovery_codes (user_id, code_hash) SELECT $1, unnest($2::bytea[])"
# users_pkey
END = """
UPDATE users
   SET second_factor_sealed = NULL, second_factor_from = NULL, second_factor_step = NULL, second_factor_wrong = 0
 WHERE id = $1
"""


async def find_factor(pool: Pool, user_id: str) -> FactorState:
    row = await pool.fetchrow(FIND, user_id)
    assert row is not None, "users keep their rows"
    return FactorState(**row)


async def begin_factor(pool: Pool, user_id: str, sealed: bytes) -> bool:
    """Store the seed of an app that is not confirmed yet; False if a second factor is already enabled."""
    return await pool.fetchval(BEGIN, user_id, sealed) is not None


async def lock_factor(connection: Connection, user_id: str) -> Factor | None:
    """Locked until the transaction ends; None if there is no seed."""
    row = await connection.fetchrow(LOCK, user_id)
    return None if row is None else Factor(**row)


async def lock_to_confirm(connection: Connection, user_id: str) -> Factor | None:
    """As `lock_factor`, before `confirm_factor`."""
    await lock_users(connection, user_id)
    return await lock_factor(connection, user_id)


async def confirm_factor(
    connection: Connection, user_id: str, *, step: int, hashes: Sequence[bytes], at: datetime, witness: Witness
) -> User:
    """Enable it with these recovery codes. Sessions that began before are over."""
    await _replace_codes(connection, user_id, hashes)
    row: Row | None = await connection.fetchrow(CONFIRM, user_id, at, step)
    assert row is not None, "users keep their rows"
    await connection.execute(MIRROR, user_id)
    await witness.attest(connection, user_id)
    return user_of(row)


async def accept_step(connection: Connection, user_id: str, step: int, *, forgiven: int) -> None:
    """No code of this step or an earlier one works again. Clears this many wrong codes."""
    await connection.execute(ACCEPT_STEP, user_id, step, forgiven)


async def use_recovery_code(connection: Connection, user_id: str, code_hash: bytes, at: datetime) -> int | None:
    """Use up a code; returns how many are left. None if it is not one, or was used."""
    if await connection.fetchval(USE_RECOVERY_CODE, user_id, code_hash, at) is None:
        return None
    await connection.execute(FORGET_WRONG, user_id)
    left: int = await connection.fetchval(COUNT_RECOVERY_CODES, user_id)
    return left


async def count_wrong(connection: Connection, user_id: str) -> None:
    await connection.execute(COUNT_WRONG, user_id)


async def renew_recovery_codes(connection: Connection, user_id: str, hashes: Sequence[bytes], witness: Witness) -> None:
    """Earlier codes stop working."""
    await _replace_codes(connection, user_id, hashes)
    await witness.attest(connection, user_id)


async def end_factor(connection: Connection, user_id: str) -> None:
    """The password alone signs in again, or the user sets up another factor."""
    await lock_users(connection, user_id)
    await connection.execute(END, user_id)
    await connection.execute(DELETE_RECOVERY_CODES, user_id)
    await connection.execute(MIRROR, user_id)


async def _replace_codes(connection: Connection, user_id: str, hashes: Sequence[bytes]) -> None:
    await connection.execute(DELETE_RECOVERY_CODES, user_id)
    await connection.execute(INSERT_RECOVERY_CODES, user_id, hashes)
