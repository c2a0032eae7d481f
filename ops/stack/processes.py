"""One child process: how it is spawned, and its data in /proc.

A child never outlives its parent: the kernel kills it when the parent dies (PR_SET_PDEATHSIG, set after the change of
user, which would clear it). A zombie counts as dead everywhere: in many containers process 1 reaps nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LOG_BYTES_MAX = 64 * 1024 * 1024
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. `user` is the account to change to (only as root)."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path
    log: Path | None
    """Where its output is appended; None: the output of this process (containers)."""
    user: str | None = None
    pass_fds: tuple[int, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0


def spawn(
    command: Command, *, stdin: int | None = subprocess.DEVNULL, die_with_parent: bool = True
) -> subprocess.Popen[bytes]:
    """Start it in its own session, output appended to its log. Raises OSError when it cannot be executed."""
    parent = os.getpid()

    def bind_to_parent() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    account = pwd.getpwnam(command.user) if command.user else None
    with _output(command.log) as log:
        return subprocess.Popen(
            command.argv,
            env=dict(command.environment),
            cwd=command.cwd,
            stdin=stdin,
            stdout=log,
            stderr=subprocess.STDOUT if log else None,
            start_new_session=True,
            pass_fds=command.pass_fds,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=os.getgrouplist(account.pw_name, account.pw_gid) if account else None,
            preexec_fn=bind_to_parent if die_with_parent else None,
        )


def adopt_orphans() -> None:
    """Make this process the parent of its descendants' orphans, so that it can end and reap them."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)


def is_alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    return _stat_fields(pid)[:1] not in ([], ["Z"], ["X"])


def started_ticks(pid: int) -> int | None:
    """Start of the process in clock ticks since boot: with the pid, an identity that is never reused."""
    fields = _stat_fields(pid)
    return int(fields[19]) if len(fields) > 19 else None


def children_of(pid: int) -> list[int]:
    try:
        lists = [task / "children" for task in Path(f"/proc/{pid}/task").iterdir()]
        return [int(word) for path in lists for word in path.read_text().split()]
    except OSError:
        return []


def memory_mb(pid: int) -> float:
    """Resident memory."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_048_576


def tail(path: Path | None, lines: int = 20, *, bytes_max: int = 65_536) -> list[str]:
    """The last lines of a log; [] if there is none."""
    if path is None:
        return []
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - bytes_max))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def _stat_fields(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on (the name before it may hold spaces)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return []


@contextlib.contextmanager
def _output(log: Path | None) -> Iterator[IO[bytes] | None]:
    """The log opened for appending; one that has grown large is put aside first."""
    if log is None:
        yield None
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as file:
        yield file
