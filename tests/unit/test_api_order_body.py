"""The body of an order: notes as clients of other gateways send them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from api.http.bodies import parse_json
from api.http.errors import ApiError
from api.schemas.orders import NewOrder


def _order(**fields: Any) -> NewOrder:
    return parse_json(orjson.dumps({"amount": 500, **fields}), NewOrder)


@pytest.mark.parametrize("notes", [[], {}, None])
def test_empty_notes_count_as_absent(notes: object) -> None:
    assert not _order(notes=notes).notes
    assert _order(notes=notes).fields() == _order().fields()


def test_numbers_and_booleans_in_notes_are_kept_as_text() -> None:
    notes = _order(notes={"a": 1, "b": 1.5, "c": True, "d": "x", "e": 10**18}).notes
    assert notes == {"a": "1", "b": "1.5", "c": "true", "d": "x", "e": "1000000000000000000"}


@pytest.mark.parametrize("notes", [[1], ["a"], "text", {"a": None}, {"a": {}}, {"a": []}, {"a": "x" * 257}])
def test_other_notes_are_refused(notes: object) -> None:
    with pytest.raises(ApiError) as refused:
        _order(notes=notes)
    assert (refused.value.status, (refused.value.field or "").split(".")[0]) == (400, "notes")
