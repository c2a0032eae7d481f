#!/usr/bin/python3 -IS
"""`postgres` for Patroni: the same program, but it dies with Patroni, as it would in a container.

    <home>/bin/postgres …  ─► a watcher of two processes ─► exec <home>/bin/real-postgres …

Patroni's own PostgreSQL outlives a SIGKILL of Patroni: a primary that cannot be stopped. This file is copied
beside the links to PostgreSQL's other programs (patroni.py); <home>/node.pid has Patroni's process id. It runs on the
Python that Debian's Patroni runs on, and imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from pathlib import Path


def main() -> None:
    here = Path(__file__).resolve().parent
    patroni = int((here.parent / "node.pid").read_text(encoding="ascii"))
    postgres = os.getpid()
    if os.fork() == 0:
        # Twice, so that PostgreSQL has no unknown child.
        if os.fork() == 0:
            os.setsid()
            watch(patroni, postgres)
        os._exit(0)
    os.wait()
    program = str(here / "real-postgres")
    os.execv(program, [program, *sys.argv[1:]])


def watch(patroni: int, postgres: int) -> None:
    """Return when one of the two has ended, and then PostgreSQL has."""
    with contextlib.suppress(ProcessLookupError):
        own = os.pidfd_open(postgres)
        with contextlib.suppress(ProcessLookupError):
            select.select([os.pidfd_open(patroni), own], [], [])
        signal.pidfd_send_signal(own, signal.SIGKILL)


if __name__ == "__main__":
    main()
