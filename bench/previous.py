"""The tree of the previous release, checked out into a temporary folder from the repository's own history.

    with previous_tree() as tree: …                        bench/previous-release names the commit or the tag
    python -m bench.previous bench.budget --in-flight 1    one of today's benches, on that release's code

The second is for figures from before and after in one sitting: the tree gets today's `bench/`, and everything else that
runs is the previous release's.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import REPOSITORY
from ops.console.errors import GatewayError

NAMED_IN = REPOSITORY / "bench" / "previous-release"
BENCH_SECONDS_MAX = 3_600


def previous_release() -> str:
    """The commit or tag."""
    return NAMED_IN.read_text(encoding="utf-8").strip()


@contextlib.contextmanager
def previous_tree() -> Iterator[Path]:
    """A folder with that tree, removed at the end. Raises GatewayError if the history is missing."""
    name = previous_release()
    if _git("cat-file", "-e", f"{name}^{{commit}}").returncode:
        raise GatewayError(
            f"The previous release ({name}, named in {NAMED_IN.relative_to(REPOSITORY)}) is not in this clone. "
            "Where it is a shallow one, run `git fetch --unshallow --tags`."
        )
    folder = Path(tempfile.mkdtemp(prefix="gateway-previous-"))
    folder.chmod(0o755)
    try:
        made = _git("worktree", "add", "--detach", "--force", str(folder / "tree"), name)
        if made.returncode:
            raise GatewayError(f"The previous release was not checked out: {made.stderr.strip()}")
        yield folder / "tree"
    finally:
        _git("worktree", "remove", "--force", str(folder / "tree"))
        shutil.rmtree(folder, ignore_errors=True)


def run_bench(tree: Path, module: str, arguments: Sequence[str]) -> int:
    """Run a bench of this tree on the code of that one; its exit code. Its stack ends with it."""
    shutil.copytree(REPOSITORY / "bench", tree / "bench", dirs_exist_ok=True)
    command = [sys.executable, "-m", module, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    return subprocess.run(command, cwd=tree, env=environment, timeout=BENCH_SECONDS_MAX, check=False).returncode


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.previous", description="Run one of today's benches on the previous release's code."
    )
    parser.add_argument("module", help="such as bench.budget")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the bench's own")
    chosen = parser.parse_args()
    try:
        with previous_tree() as tree:
            code = run_bench(tree, chosen.module, chosen.arguments)
    except GatewayError as error:
        sys.exit(str(error))
    sys.exit(code)


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)


if __name__ == "__main__":
    main()
