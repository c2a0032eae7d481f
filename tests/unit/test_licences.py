"""A component is shipped only under a licence that somebody has looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ops.supply.licences import CLASSIFIERS, LOOKED_AT, is_allowed, main, refused


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("MIT AND (GPL-3.0-only OR AGPL-3.0-only)", False),
        ("(MIT OR CC0-1.0)", True),
        ("GPL-3.0-only AND MIT OR ISC", True),
        ("", False),
        ("(MIT", False),
        ("MIT GPL-3.0-only", False),
        ("MIT)", False),
    ],
)
def test_of_a_choice_one_licence_is_enough_and_of_a_sum_all_are_needed(expression: str, allowed: bool) -> None:
    assert is_allowed(expression) is allowed


def test_a_component_without_a_licence_is_refused_until_it_is_reviewed() -> None:
    looked_at = next(iter(LOOKED_AT))
    found = list(refused([component("unknown"), component(looked_at), component("sdk")]))
    assert found == ["unknown 1.0: no licence named"]


def test_classifiers_count_only_without_an_expression() -> None:
    classifier = next(iter(CLASSIFIERS))
    assert not list(refused([component("old", named(classifier))]))
    assert list(refused([component("two", {"expression": "GPL-2.0-or-later"}, named(classifier))]))
    assert list(refused([component("odd", named("License :: Other"))]))


def test_the_command_names_what_it_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bill = tmp_path / "bill.json"
    bill.write_text(json.dumps({"components": [component("good", {"license": {"id": "MIT"}}), component("bad")]}))
    assert main([str(bill)]) == 1
    assert "bad 1.0: no licence named" in capsys.readouterr().out
    bill.write_text(json.dumps({"components": [component("good", {"license": {"id": "MIT"}})]}))
    assert main([str(bill)]) == 0


def component(name: str, *licences: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "licenses": list(licences)}


def named(classifier: str) -> dict[str, Any]:
    return {"license": {"name": classifier}}
