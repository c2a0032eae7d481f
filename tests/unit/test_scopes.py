"""The table of scopes has a row for every route, and its names match what it allows."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute

from api.access.rights import WRITES
from api.access.scopes import Scope, allows, missing_from, scope_of, scopes_within
from api.razorpay.app import MERCHANTS
from api.routes import ROUTERS
from domain.role import Role

NOBODYS = frozenset({"/merchants", "/bank/notifications"})
"""Routes that need nobody's rights."""


def writes() -> Iterator[tuple[str, str]]:
    """(method, path below the version) of every route that changes something, ours and the double's."""
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in route.methods - {"GET", "HEAD"}:
                if route.path not in NOBODYS and "/public" not in route.path and not route.path.startswith("/test/"):
                    yield method, route.path
    yield from ((method, path.removeprefix("/v1")) for method, path in MERCHANTS if method != "GET")


@pytest.mark.parametrize(("method", "path"), sorted({*writes()}))
def test_every_route_that_changes_something_has_a_row(method: str, path: str) -> None:
    """A new route that is in none would need `settings`, which is safe, and surely not meant."""
    assert any(re.match(pattern, path) for pattern, _ in WRITES), f"{method} {path}"


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("POST", "/api/v1/orders", Scope.PAYMENTS),
        ("POST", "/api/v1/orders/order_1/cancel", Scope.PAYMENTS),
        ("POST", "/api/v1/payments/pay_1/capture", Scope.PAYMENTS),
        ("POST", "/api/v1/payment-links", Scope.PAYMENTS),
        ("POST", "/api/v1/refunds", Scope.REFUNDS),
        ("POST", "/api/v1/payments/pay_1/refunds", Scope.REFUNDS),
        ("POST", "/v1/payments/pay_1/refund", Scope.REFUNDS),
        ("PATCH", "/v1/refunds/rfnd_1", Scope.REFUNDS),
        ("PUT", "/v1/customers/cust_1", Scope.PAYMENTS),
        ("DELETE", "/api/v1/webhook-endpoints/whe_1", Scope.WEBHOOKS),
        ("POST", "/api/v1/webhooks/retry", Scope.WEBHOOKS),
        ("PATCH", "/api/v1/merchants/me", Scope.SETTINGS),
        ("POST", "/api/v1/merchants/me/keys", Scope.SETTINGS),
        ("POST", "/api/v1/something/new", Scope.SETTINGS),
        ("POST", "/api/v1/refundsandmore", Scope.SETTINGS),
        ("GET", "/api/v1/refunds", Scope.READ),
        ("GET", "/api/v1/payments/export.csv", Scope.READ),
        ("HEAD", "/api/v1/payments", Scope.READ),
        ("GET", "/api/v1/merchants/me", Scope.READ),
        ("GET", "/api/v1/merchants/me/keys", Scope.SETTINGS),
        ("GET", "/api/v1/auth/sessions", Scope.SETTINGS),
        ("GET", "/api/v1/audit-log", Scope.SETTINGS),
        ("GET", "/api/v1/audit-log/export.csv", Scope.SETTINGS),
        ("GET", "/api/v1/merchants/me/users", None),
        ("DELETE", "/api/v1/merchants/me/users/user_1", None),
    ],
)
def test_what_a_request_needs(method: str, path: str, needed: Scope | None) -> None:
    assert scope_of(method, path) is needed


def test_a_key_without_scopes_may_do_everything_and_one_with_scopes_what_they_name() -> None:
    assert all(allows((), scope) for scope in Scope)
    assert [scope for scope in Scope if allows(("read", "refunds"), scope)] == [Scope.READ, Scope.REFUNDS]


def test_a_person_gives_a_key_no_scope_that_the_role_lacks() -> None:
    assert scopes_within(Role.OWNER) == (), "everything"
    assert scopes_within(Role.DEVELOPER) == (Scope.READ, Scope.PAYMENTS, Scope.WEBHOOKS, Scope.SETTINGS)
    assert missing_from(scopes_within(Role.DEVELOPER), ()) == ["refunds"], "a key for everything refunds as well"


def test_a_key_gives_no_other_key_more_than_it_has() -> None:
    assert missing_from((), ()) == []
    assert missing_from((), ("settings",)) == []
    assert missing_from(("settings", "read"), ("read",)) == []
    assert missing_from(("settings", "read"), ("read", "refunds")) == ["refunds"]
    assert missing_from(("settings", "read"), ()) == ["payments", "refunds", "webhooks"], "none named means all"
