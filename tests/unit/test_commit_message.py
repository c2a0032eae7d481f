"""The commit-msg hook holds the house rules for commits."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ops.console.environment import REPOSITORY

HOOK = REPOSITORY / "ops" / "hooks" / "commit-msg"
BODY = "\n\nBecause money that was refunded must not be captured."


def run(message: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "message"
    file.write_text(message)
    return subprocess.run([HOOK, file], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "subject", ["payments: reject capture after a refund", "api, store: x", 'Revert "a"', "a: " + "x" * 69]
)
def test_a_subject_with_an_area_and_a_body_passes(subject: str, tmp_path: Path) -> None:
    assert run(subject + BODY, tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("payments: " + "x" * 63 + BODY, "at most 72 fit"),
        ("Reject capture" + BODY, "must start with an area"),
        ("payments: reject capture." + BODY, "full stop"),
        ("payments: reject capture", "a body must say why"),
        ("payments: reject capture\n\n# Please enter the commit message\n", "a body must say why"),
    ],
)
def test_a_message_that_breaks_a_rule_is_refused_with_the_rule(message: str, reason: str, tmp_path: Path) -> None:
    refused = run(message, tmp_path)
    assert refused.returncode == 1
    assert reason in refused.stderr
