"""The people of a merchant on a real database: the release before beside this one, and two owners at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.audited import Action
from domain.role import Role
from runtime.clock import now
from store.accounts.second_factors import begin_factor, confirm_factor, end_factor
from store.accounts.users import LastOwnerError, User, change_role, find_login, find_user, list_users, remove_user
from store.accounts.users import replace_password_hash as replace_hash
from store.connections import make_pool
from store.driver import Pool
from store.schema.migrate import migrations
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


async def test_the_release_before_signs_nobody_in_whom_a_password_alone_does_not(pool: Pool, shop: Shop) -> None:
    owner, seen = await _owner(pool, shop), somebody(shop.settings, shop.merchant_id, Action.SECOND_FACTOR_ENABLED)
    assert await begin_factor(pool, owner.id, b"sealed")
    async with pool.acquire() as connection, connection.transaction():
        user = await confirm_factor(connection, owner.id, step=1, hashes=[b"a hash"], at=now(), witness=seen)
    assert user.second_factor and not await begin_factor(pool, owner.id, b"another"), "one at a time"
    assert await pool.fetchval(OLD_LOGIN, shop.merchant_id) == ""
    async with pool.acquire() as connection, connection.transaction():
        await end_factor(connection, owner.id)
    assert await pool.fetchval(OLD_LOGIN, shop.merchant_id) == "none"


async def test_a_password_that_was_changed_meanwhile_is_not_replaced(pool: Pool, shop: Shop) -> None:
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


async def test_people_of_another_merchant_are_nobody(services: Stack, pool: Pool, shop: Shop) -> None:
    async with open_shop(services.settings) as other:
        foreign = await _owner(pool, other)
        seen = somebody(shop.settings, shop.merchant_id, Action.USER_REMOVED)
        assert await remove_user(pool, shop.merchant_id, foreign.id, seen) is False
        assert await change_role(pool, shop.merchant_id, foreign.id, Role.SUPPORT, seen) is None
        assert await find_user(pool, foreign.id) == foreign
