"""A bench of this tree runs on the previous release's code: everything else comes from that release's tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.previous import NAMED_IN, run_bench

PROBE = """\
import subprocess
import sys
whose = subprocess.check_output([sys.executable, "-c", "import domain; print(domain.WHOSE)"], cwd="/", text=True)
open("seen", "w").write(" ".join((whose.strip(), *sys.argv[1:])))
raise SystemExit(3)
"""
"""Its child stands for `gateway verify`, which a bench starts."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A release that has a `domain` of its own, and a bench that this tree does not have."""
    tree = tmp_path / "released"
    (tree / "domain").mkdir(parents=True)
    (tree / "domain" / "__init__.py").write_text('WHOSE = "theirs"\n')
    (tree / "probe.py").write_text(PROBE)
    return tree


def test_the_bench_gets_its_arguments_and_the_releases_own_modules(tree: Path) -> None:
    assert run_bench(tree, "probe", ["--in-flight", "1"]) == 3
    assert (tree / "seen").read_text() == "theirs --in-flight 1"


def test_the_release_gets_this_trees_benches(tree: Path) -> None:
    run_bench(tree, "probe", [])
    assert (tree / "bench" / NAMED_IN.name).read_text() == NAMED_IN.read_text()
