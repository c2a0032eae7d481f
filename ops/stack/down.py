"""`gateway down`: stop exactly what `gateway up` started, in reverse order, and wait for its end."""

from __future__ import annotations

import time

from ops.console.environment import local_plan
from ops.stack.launch import stop_runner


def down() -> None:
    """Stop the running stack. Data and logs stay in the run directory."""
    began = time.monotonic()
    if stop_runner(local_plan()):
        print(f"stopped in {time.monotonic() - began:.1f} s")
    else:
        print("nothing was running")
