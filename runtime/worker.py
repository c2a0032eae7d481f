"""Which worker this process is: role, index and the stable name it has in its consumer group."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from runtime.logs import get_logger
from runtime.roles import ROLES
from runtime.settings import Settings

log = get_logger("worker")

EXIT_CONFIGURATION = 78
"""Exit code of a process that must not run with this configuration, as in runtime/settings.py."""
EXIT_STUCK = 70
"""Exit code of a worker that ended itself because it could not continue; the runner starts it again."""


@dataclass(frozen=True, slots=True)
class Worker:
    """Identity of this process. `name` is stable across restarts: it is the static group member's instance id."""

    role: str
    index: int
    name: str
    metrics_port: int


def this_worker(role: str, settings: Settings) -> Worker:
    """Identity from WORKER_INDEX and WORKER_ID, as the runner sets them."""
    index = int(os.environ.get("WORKER_INDEX", "0"))
    name = settings.worker_id or f"{role}-{socket.gethostname()}-{index}"
    port = settings.metrics_port + ROLES[role].metrics_offset + index if settings.metrics_port else 0
    return Worker(role=role, index=index, name=name, metrics_port=port)


ExitAfter = Callable[[float, str], object]
"""Ends the process after this many seconds, for this reason: `exit_after`, or a simulation's substitute."""


def collect_garbage_rarely() -> None:
    """Call when everything is imported. A batch's objects are freed by reference count; passes of the cycle collector
    over it cost a fifth of the actor's time with Python's thresholds (700, 10, 10), and free almost nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def exit_after(seconds: float, why: str) -> threading.Timer:
    """End the process after a grace period, even if something hangs. Cancel it after success."""

    def end() -> None:
        sys.stderr.write(f'{{"event": "hard_exit", "why": "{why}"}}\n')
        sys.stderr.flush()
        os._exit(EXIT_STUCK)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer


def beside(work: Coroutine[Any, Any, None], what: str, end: ExitAfter = exit_after) -> asyncio.Task[None]:
    """`work` as a task of its own, until it is cancelled. If it dies, it ends the process: a worker without it would
    look healthy and do half of its work."""
    task = asyncio.create_task(work, name=what)
    task.add_done_callback(partial(_end_with, end))
    return task


def _end_with(end: ExitAfter, task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("side_task_died", task=task.get_name(), error=repr(error), exc_info=error)
        end(0.0, f"{task.get_name()} died")
