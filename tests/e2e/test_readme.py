"""The README's tour, run as it is written."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.badges import badges, count_tests
from tests.support.stack import Stack

README = Path(__file__).parents[2] / "README.md"
IMAGES = README.parent / "docs" / "images"
TOUR = re.compile(r"^## Five minutes\n.*?^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOUR_SECONDS_MAX = 60


@pytest.fixture(scope="module")
def printed(stack: Stack) -> str:
    """Everything the tour printed, on this stack's port."""
    assert shutil.which("curl"), "the tour needs curl"
    found = TOUR.search(README.read_text(encoding="utf-8"))
    assert found is not None
    script = found[1].replace("http://localhost:8000", stack.api_url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        timeout=TOUR_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_tour_pays_captures_and_refunds(printed: str) -> None:
    assert '"captured":true' in printed
    assert '"amount":25000' in printed and '"reason":"half"' in printed


def test_the_tour_shows_the_replayed_answer_and_the_success(printed: str) -> None:
    assert "idempotent-replayed: true" in printed.lower()
    assert '"status":"SUCCESS"' in printed


def test_the_tour_is_refused_more_than_is_left(printed: str) -> None:
    assert "Refund amount exceeds available amount" in printed


def test_the_tour_ends_with_the_whole_story(printed: str) -> None:
    for event in ("payment.created", "payment.processing", "payment.success", "payment.captured", "refund.created"):
        assert f'"{event}"' in printed


def test_the_badges_are_true() -> None:
    """That of verify is drawn by `make pictures` alone, after a verify that found nothing."""
    tests = count_tests()
    true = badges(tests)
    drawn = {name: (IMAGES / f"badge-{name}.svg").read_text(encoding="utf-8") for name in true}
    assert (drawn["licence"], drawn["python"]) == (true["licence"], true["python"]), "make pictures"
    shown = re.search(r">([\d,]+)\+<", drawn["tests"])
    assert shown is not None and int(shown[1].replace(",", "")) <= tests, "make pictures"
