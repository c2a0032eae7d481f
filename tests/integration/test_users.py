"""The people of a merchant on a real database: the release before beside this one, and two owners at once."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from domain.audited import Action
from domain.ids import INVITATION
from domain.ids import USER as USER_PREFIX
from domain.role import Role
from runtime.clock import make_id, now
from store.accounts.invitations import LASTS, Invitation, NewUser, accept, find_to_accept, invite
from store.accounts.password_resets import change_password, find_reset, insert_reset, reset_password
from store.accounts.second_factors import begin_factor, confirm_factor, end_factor, lock_to_confirm
from store.accounts.users import LastOwnerError, User, change_role, find_login, find_user, list_users, remove_user
from store.accounts.users import replace_password_hash as replace_hash
from store.connections import make_pool
from store.driver import Pool
from store.schema.migrate import migrations
from tests.support.eventually import eventually
from tests.support.people import add_person
from tests.support.shop import Shop, open_shop
from tests.support.stack import Stack
from tests.support.witness import somebody

OLD_LOGIN = "SELECT password_hash FROM merchants WHERE id = $1"
"""How the release before signs somebody in."""


@pytest.fixture
async def shop(services: Stack) -> AsyncIterator[Shop]:
    async with open_shop(services.settings) as found:
        yield found


@pytest.fixture
async def pool(services: Stack) -> AsyncIterator[Pool]:
    made = await make_pool(services.settings, size=8)
    yield made
    await made.close()


async def _owner(pool: Pool, shop: Shop) -> User:
    return next(user for user in await list_users(pool, shop.merchant_id) if user.role is Role.OWNER)


async def test_a_sign_up_by_the_release_before_has_an_owner_with_its_login(pool: Pool, shop: Shop) -> None:
    """The shop of these tests is inserted as that release did."""
    owner = await _owner(pool, shop)
    assert owner.email == f"{shop.merchant_id}@example.com"
    assert owner.id == shop.merchant_id.replace("mrc_", "user_")
    found = await find_login(pool, owner.email.upper())
    assert found == (owner, "none")


async def test_merchants_of_the_release_before_get_their_owner_by_the_migration(pool: Pool, shop: Shop) -> None:
    await pool.execute("DELETE FROM users WHERE merchant_id = $1", shop.merchant_id)
    backfill = next(one for one in migrations() if one.name == "0106_users_backfill.sql")
    (step,) = backfill.repeatable
    for _ in range(2):  # it may be cut off and begin again
        after = ""
        while rows := await pool.fetch(step.text, after):
            after = max(row["id"] for row in rows)
    assert (await _owner(pool, shop)).email == f"{shop.merchant_id}@example.com"


async def test_the_release_before_takes_a_changed_password_and_no_login_that_lost_its_rights(
    services: Stack, pool: Pool, shop: Shop
) -> None:
    owner, seen = await _owner(pool, shop), somebody(shop.settings, shop.merchant_id, Action.USER_ROLE_CHANGED)
    await replace_hash(pool, owner.id, old="none", new="changed")
    assert await pool.fetchval(OLD_LOGIN, shop.merchant_id) == "changed"
    other = await add_person(services.database_url, shop.merchant_id, Role.OWNER)
    await change_role(pool, shop.merchant_id, owner.id, Role.FINANCE, seen)
    assert await pool.fetchval(OLD_LOGIN, shop.merchant_id) == ""
    await change_role(pool, shop.merchant_id, owner.id, Role.OWNER, seen)
    assert await pool.fetchval(OLD_LOGIN, shop.merchant_id) == "changed"
    await remove_user(pool, shop.merchant_id, owner.id, seen)
    assert await pool.fetchval(OLD_LOGIN, shop.merchant_id) == ""
    assert [user.id for user in await list_users(pool, shop.merchant_id)] == [other.id], "nor does the trigger undo it"


async def test_the_previous_release_signs_in_only_users_without_a_second_factor(pool: Pool, shop: Shop) -> None:
    owner, seen = await _owner(pool, shop), somebody(shop.settings, shop.merchant_id, Action.SECOND_FACTOR_ENABLED)
    assert await begin_factor(pool, owner.id, b"sealed")
    async with pool.acquire() as connection, connection.transaction():
        user = await confirm_factor(connection, owner.id, step=1, hashes=[b"a hash"], at=now(), witness=seen)
    assert user.second_factor and not await begin_factor(pool, owner.id, b"another"), "one at a time"
    assert await pool.fetchval(OLD_LOGIN, shop.merchant_id) == ""
    async with pool.acquire() as connection, connection.transaction():
        await end_factor(connection, owner.id)
    assert await pool.fetchval(OLD_LOGIN, shop.merchant_id) == "none"


async def test_a_password_that_was_changed_in_between_is_not_replaced(pool: Pool, shop: Shop) -> None:
    owner = await _owner(pool, shop)
    await replace_hash(pool, owner.id, old="another", new="late")
    found = await find_login(pool, owner.email)
    assert found is not None and found[1] == "none"


async def test_two_owners_who_remove_each_other_at_once_leave_one(services: Stack, pool: Pool, shop: Shop) -> None:
    first = await _owner(pool, shop)
    second = await add_person(services.database_url, shop.merchant_id, Role.OWNER)
    seen = somebody(shop.settings, shop.merchant_id, Action.USER_REMOVED)
    ended = await asyncio.gather(
        remove_user(pool, shop.merchant_id, first.id, seen),
        remove_user(pool, shop.merchant_id, second.id, seen),
        change_role(pool, shop.merchant_id, first.id, Role.SUPPORT, seen),
        return_exceptions=True,
    )
    assert any(isinstance(one, LastOwnerError) for one in ended), ended
    assert [user.role for user in await list_users(pool, shop.merchant_id)].count(Role.OWNER) == 1


async def test_users_of_another_merchant_do_not_exist(services: Stack, pool: Pool, shop: Shop) -> None:
    async with open_shop(services.settings) as other:
        foreign = await _owner(pool, other)
        seen = somebody(shop.settings, shop.merchant_id, Action.USER_REMOVED)
        assert await remove_user(pool, shop.merchant_id, foreign.id, seen) is False
        assert await change_role(pool, shop.merchant_id, foreign.id, Role.SUPPORT, seen) is None
        assert await find_user(pool, foreign.id) == foreign


WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pg_backend_pid() = ANY(pg_blocking_pids(pid))
"""
TAKE_USER = "SELECT 1 FROM users WHERE id = $1 FOR UPDATE NOWAIT"
TAKE_INVITATIONS = "SELECT 1 FROM invitations WHERE merchant_id = $1 FOR UPDATE NOWAIT"


async def _another_password(pool: Pool, shop: Shop, owner: User) -> None:
    seen = somebody(shop.settings, shop.merchant_id, Action.PASSWORD_CHANGED)
    assert await change_password(pool, owner.id, old="none", new="new", at=now(), witness=seen)


async def _another_hash(pool: Pool, shop: Shop, owner: User) -> None:
    await replace_hash(pool, owner.id, old="none", new="new")


async def _password_by_a_link(pool: Pool, shop: Shop, owner: User) -> None:
    token, seen = secrets.token_urlsafe(32), somebody(shop.settings, shop.merchant_id, Action.PASSWORD_RESET)
    await insert_reset(pool, owner.id, token, now(), ends_second_factor=True)
    async with pool.acquire() as connection, connection.transaction():
        user = await find_reset(connection, token, now())
        assert user is not None
        assert await reset_password(connection, user, token, "new", at=now(), witness=seen)


async def _second_factor(pool: Pool, shop: Shop, owner: User) -> None:
    seen = somebody(shop.settings, shop.merchant_id, Action.SECOND_FACTOR_ENABLED)
    assert await begin_factor(pool, owner.id, b"sealed")
    async with pool.acquire() as connection, connection.transaction():
        assert await lock_to_confirm(connection, owner.id)
        await confirm_factor(connection, owner.id, step=1, hashes=[b"a hash"], at=now(), witness=seen)


async def _no_second_factor(pool: Pool, shop: Shop, owner: User) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await end_factor(connection, owner.id)


@pytest.mark.parametrize(
    "change", [_another_password, _another_hash, _password_by_a_link, _second_factor, _no_second_factor]
)
async def test_a_change_of_a_user_holds_nothing_of_the_user_while_it_waits_for_the_merchant(
    services: Stack, pool: Pool, shop: Shop, change: Callable[[Pool, Shop, User], Awaitable[None]]
) -> None:
    """Else it and an owner who changes that user wait for each other, and PostgreSQL ends one of them."""
    owner = await _owner(pool, shop)
    async with _holding_the_merchant(services, shop) as held:
        changing = asyncio.ensure_future(change(pool, shop, owner))
        await _until_blocked(held, changing)
        await held.execute(TAKE_USER, owner.id)
    await asyncio.wait_for(changing, 10)


async def test_joining_holds_no_invitation_while_it_waits_for_the_merchant(
    services: Stack, pool: Pool, shop: Shop
) -> None:
    owner, token, at = await _owner(pool, shop), secrets.token_urlsafe(32), now()
    email = f"{secrets.token_hex(8)}@example.com"
    new = Invitation(make_id(INVITATION), shop.merchant_id, email, Role.SUPPORT, owner.id, at, at + LASTS)
    await invite(pool, new, token, somebody(shop.settings, shop.merchant_id, Action.USER_INVITED))

    async def join() -> None:
        seen = somebody(shop.settings, shop.merchant_id, Action.USER_JOINED)
        async with pool.acquire() as connection, connection.transaction():
            found = await find_to_accept(connection, token, now())
            assert found is not None
            await accept(connection, found, NewUser(make_id(USER_PREFIX), "hash"), at=now(), witness=seen)

    async with _holding_the_merchant(services, shop) as held:
        joining = asyncio.ensure_future(join())
        await _until_blocked(held, joining)
        await held.execute(TAKE_INVITATIONS, shop.merchant_id)
    await asyncio.wait_for(joining, 10)
    assert email in [user.email for user in await list_users(pool, shop.merchant_id)]


@contextlib.asynccontextmanager
async def _holding_the_merchant(services: Stack, shop: Shop) -> AsyncIterator[asyncpg.Connection]:
    """As an owner does who changes a role."""
    connection = await asyncpg.connect(services.database_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM merchants WHERE id = $1 FOR UPDATE", shop.merchant_id)
            yield connection
    finally:
        await connection.close()


async def _until_blocked(held: asyncpg.Connection, task: asyncio.Future[None]) -> None:
    async def blocked() -> bool:
        assert not task.done(), task
        return bool(await held.fetchval(WAITING))

    await eventually(blocked)
