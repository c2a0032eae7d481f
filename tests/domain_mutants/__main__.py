"""`python -m tests.domain_mutants`: changes every expression of domain/ in turn, and lists the changes that no test
notices.

    .run/domain-mutants/venv    mutmut by itself: it needs a younger click than Faust allows; the rest is ours
    .run/domain-mutants/tree    a copy of the packages, for mutmut rewrites what it mutates

--only "domain.rules*"      functions by pattern; without it, all of them (hours, for a night)

The guards that matter most are kept by hand in tests/unit/test_guards.py, which runs with every check; this looks for
those that nobody thought of. What is configured for mutmut stands in pyproject.toml.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".run" / "domain-mutants"
TREE, TOOLS = HOME / "tree", HOME / "venv"
PACKAGES = ("domain", "topics", "store", "runtime", "api", "agents", "ops", "pages", "docs", "tests", "web-shared")
REQUIRED = ("mutmut==3.8.1", "click>=8.4.2", "libcst", "coverage", "setproctitle", "textual")
NOTICED = (": killed", ": timeout", ": caught by type check")


def main() -> int:
    """Exit code 1 where a change went unnoticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.domain_mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], metavar="PATTERN")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    mutmut = _installed()
    _copy()
    run = subprocess.run(
        [mutmut, "run", "--max-children", str(options.processes), *options.only], cwd=TREE, check=False
    )
    if run.returncode != 0:
        return run.returncode
    listed = subprocess.run([mutmut, "results", "--all", "true"], cwd=TREE, check=True, capture_output=True, text=True)
    return _shown(mutmut, [line.strip() for line in listed.stdout.splitlines() if line.strip()])


def _installed() -> str:
    """mutmut's path, in an environment of its own that sees the packages of this one."""
    mutmut = TOOLS / "bin" / "mutmut"
    if not mutmut.exists():
        venv.create(TOOLS, with_pip=True)
        (site,) = TOOLS.glob("lib/python3*/site-packages")
        (site / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        pip = [TOOLS / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--ignore-installed", *REQUIRED], check=True)
    return str(mutmut)


def _copy() -> None:
    shutil.rmtree(TREE, ignore_errors=True)
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "node_modules", "dist")
        shutil.copytree(ROOT / name, TREE / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", TREE)


def _shown(mutmut: str, results: list[str]) -> int:
    """Each change that no test noticed, as a difference."""
    checked = [line for line in results if not line.endswith(": not checked")]
    unnoticed = [line for line in checked if not line.endswith(NOTICED)]
    for line in unnoticed:
        name = line.partition(":")[0]
        print(subprocess.run([mutmut, "show", name], cwd=TREE, check=False, capture_output=True, text=True).stdout)
    print(f"{len(checked) - len(unnoticed)} of {len(checked)} changes noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
