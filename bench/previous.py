"""The tree of the previous release, checked out into a temporary folder from the repository's own history.

with previous_tree() as tree: …            bench/previous-release names the commit or the tag
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ops.console.errors import GatewayError
from ops.stack.environment import REPOSITORY

NAMED_IN = REPOSITORY / "bench" / "previous-release"


def previous_release() -> str:
    """The commit or tag."""
    return NAMED_IN.read_text(encoding="utf-8").strip()


@contextlib.contextmanager
def previous_tree() -> Iterator[Path]:
    """A folder with that tree, removed at the end. Raises GatewayError where the history is not here."""
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


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
