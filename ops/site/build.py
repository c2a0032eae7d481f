"""Builds the site: a warning, such as a link that leads nowhere, ends the build, and the previous site stays."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from ops.console.environment import REPOSITORY, SHARED_CACHE
from ops.console.errors import GatewayError

DOCS = REPOSITORY / "docs"
SITE = REPOSITORY / "pages" / "dist"
BUILD_SECONDS_MAX = 300


def build_site(docs: Path = DOCS, site: Path = SITE) -> None:
    """Build the site. Raises GatewayError with the warnings."""
    fresh = SHARED_CACHE / "docs"
    shutil.rmtree(fresh, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "--conf-dir",
         str(Path(__file__).parent), "--doctree-dir", str(fresh / "doctrees"), str(docs), str(fresh / "site")],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_SECONDS_MAX,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise GatewayError(f"The documentation was not built:\n{done.stdout.strip()}")
    shutil.rmtree(site, ignore_errors=True)
    shutil.move(fresh / "site", site)
