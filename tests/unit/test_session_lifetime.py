"""How long a session lasts is a setting: unused, and at the longest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from starlette.responses import Response

from api.access.sessions import set_cookie
from runtime.settings import Settings
from store.redis.sessions import Lifetime, Session

AT = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
SHORT = Settings(test_mode=True, session_idle_minutes=15, session_hours=1)


@pytest.mark.parametrize(("age", "left"), [(0, 900), (2_700, 900), (2_701, 899), (3_600, 0), (9_000, -5_400)])
def test_a_session_ends_idle_or_old_whichever_is_first(age: int, left: int) -> None:
    session = Session("ses_1", "mrc_1", "user_1", "token", "127.0.0.1", "browser", AT - timedelta(seconds=age), AT)
    assert session.seconds_left(AT, Lifetime.of(SHORT)) == left


def test_the_cookie_lasts_as_long_as_the_session() -> None:
    response = Response()
    set_cookie(response, SHORT, "token")
    assert "Max-Age=3600" in response.headers["set-cookie"]
