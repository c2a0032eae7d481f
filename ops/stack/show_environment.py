"""`gateway env`: the roles' variables beyond the caller's own environment, as lines for `eval`."""

from __future__ import annotations

import os
import shlex

from ops.console.environment import local_plan


def env() -> None:
    """Print `export NAME=value` lines to run a role by hand: eval "$(gateway env)"."""
    for name, value in sorted(local_plan().environment.items()):
        if os.environ.get(name) != value:
            print(f"export {name}={shlex.quote(value)}")
