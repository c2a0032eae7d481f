"""The table of roles is the one in its documentation, and a refusal names who may."""

from __future__ import annotations

import re

import pytest

import domain.role
from api.access.rights import right_of
from domain.role import RIGHTS, Right, Role, denial, may, roles_with
from ops.stack.role_catalogue import GENERATED, role_catalogue

ROW = re.compile(r"^ {4}(\w+) {2,}.*$", re.MULTILINE)


def drawn() -> dict[tuple[str, str], bool]:
    """(right, role) -> whether the docstring of domain/role.py shows a mark in that column."""
    lines = [line for line in (domain.role.__doc__ or "").splitlines() if ROW.match(line)]
    columns = {role: lines[0].index(role) for role in Role}
    found = {}
    for line in lines[1:]:
        for role, start in columns.items():
            found[line.split()[0], role.value] = line[start : start + len(role) + 1].strip() != ""
    return found


def test_the_table_in_the_documentation_is_the_one_that_counts() -> None:
    assert drawn() == {(right, role): may(role, right) for right in Right for role in Role}


def test_only_an_owner_manages_users_and_every_user_their_own_account() -> None:
    assert roles_with(Right.USERS) == [Role.OWNER]
    assert roles_with(Right.ACCOUNT) == roles_with(Right.READ) == [*Role]
    assert all(RIGHTS[role] < RIGHTS[Role.OWNER] for role in Role if role is not Role.OWNER)


def test_the_table_of_the_pages_is_not_stale() -> None:
    assert GENERATED.read_text(encoding="utf-8") == role_catalogue(), "run `gateway pages types`"


def test_a_refusal_names_the_role_that_may() -> None:
    assert denial(Role.FINANCE, Right.REFUNDS) == (
        "Your role 'finance' lacks the right 'refunds'; the role 'owner' or 'support' has it"
    )


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/api/v1/payments", Right.READ),
        ("GET", "/api/v1/payments/export.csv", Right.EXPORTS),
        ("GET", "/api/v1/refunds/export.csv", Right.EXPORTS),
        ("GET", "/api/v1/audit-log/export.csv", Right.SETTINGS),
        ("GET", "/api/v1/merchants/me", Right.READ),
        ("GET", "/api/v1/merchants/me/stream", Right.READ),
        ("GET", "/api/v1/merchants/me/keys", Right.KEYS),
        ("POST", "/api/v1/merchants/me/keys/apk_1/rotate", Right.KEYS),
        ("GET", "/api/v1/merchants/me/users", Right.USERS),
        ("PATCH", "/api/v1/merchants/me/access", Right.USERS),
        ("PATCH", "/api/v1/merchants/me", Right.SETTINGS),
        ("POST", "/api/v1/merchants/me/return-secret", Right.SETTINGS),
        ("POST", "/api/v1/merchants/me/something-new", Right.SETTINGS),
        ("DELETE", "/api/v1/auth/sessions/ses_1", Right.ACCOUNT),
    ],
)
def test_what_a_request_needs(method: str, path: str, needed: Right) -> None:
    assert right_of(method, path) is needed
