"""CPU time, wakes and memory of a stack's processes, by role, out of /proc. PostgreSQL's children count as its own."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.stack import Stack

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of CPU since the process's start, resident bytes, and how often its threads went to sleep."""

    cpu_seconds: float
    resident_bytes: int
    sleeps: int = 0


def usage_by_role(stack: Stack) -> dict[str, Usage]:
    """Role or service -> usage, summed over its workers and all their descendants; the load generator as `load`."""
    summed = {role: [_usage(pid) for pid in pids] for role, pids in pids_by_role(stack).items()}
    summed["load"] = [_usage(os.getpid())]
    return {
        role: Usage(
            sum(one.cpu_seconds for one in parts),
            sum(one.resident_bytes for one in parts),
            sum(one.sleeps for one in parts),
        )
        for role, parts in summed.items()
    }


def pids_by_role(stack: Stack) -> dict[str, list[int]]:
    """Role or service -> its workers and all their descendants."""
    children = _children_of()
    found: dict[str, list[int]] = defaultdict(list)
    for name, facts in stack.processes().items():
        role = name.rpartition("-")[0] if name.rpartition("-")[2].isdigit() else name
        found[role] += _with_descendants(int(facts["pid"] or 0), children)
    return dict(found)


def cpu_seconds_of(pids: Mapping[str, int]) -> dict[str, float]:
    """Name -> CPU time of a process and its descendants since their start."""
    children = _children_of()
    return {
        name: sum(_usage(one).cpu_seconds for one in _with_descendants(pid, children)) for name, pid in pids.items()
    }


def cores_used(before: dict[str, Usage], after: dict[str, Usage], seconds: float) -> dict[str, float]:
    """Role -> cores it kept busy, largest first."""
    used = {role: (after[role].cpu_seconds - before[role].cpu_seconds) / seconds for role in after if role in before}
    return dict(sorted(used.items(), key=lambda item: -item[1]))


def largest_python_megabytes(stack: Stack) -> float:
    """Resident memory of the largest of our own processes."""
    own = [facts["pid"] for name, facts in stack.processes().items() if name.rpartition("-")[2].isdigit()]
    return max(_usage(int(pid)).resident_bytes for pid in own if pid) / 1_000_000


def _children_of() -> dict[int, list[int]]:
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                children[int(fields[1])].append(int(entry.name))
    return children


def _with_descendants(pid: int, children: dict[int, list[int]]) -> list[int]:
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting.extend(children.get(one, ()))
    return found


def _usage(pid: int) -> Usage:
    fields = _stat(pid)
    if not fields:
        return Usage(0.0, 0)
    # including its ended children: PostgreSQL's sessions and autovacuum are short-lived
    cpu_seconds = sum(map(int, fields[11:15])) / TICKS_PER_SECOND
    return Usage(cpu_seconds, int(fields[21]) * PAGE_BYTES, _sleeps(pid))


def _sleeps(pid: int) -> int:
    """Voluntary context switches of all threads that live: each one ends with a wake."""
    return sum(_sleeps_of(thread) for thread in (Path("/proc") / str(pid) / "task").glob("*/status"))


def _sleeps_of(status: Path) -> int:
    with contextlib.suppress(OSError):
        for line in status.read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                return int(line.split()[1])
    return 0


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on; empty if the process is gone."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
