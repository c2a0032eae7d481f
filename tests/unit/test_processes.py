"""What /proc shows of a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ops.stack.processes import children_of, is_alive, memory_mb, started_ticks, tail


def test_this_process_lives_and_has_memory() -> None:
    assert is_alive(os.getpid())
    assert memory_mb(os.getpid()) > 1
    assert started_ticks(os.getpid())


def test_a_zombie_counts_as_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, not reaped
        assert child.pid in children_of(os.getpid())
        assert not is_alive(child.pid)
    finally:
        child.wait()


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(f"line {number}\n" for number in range(10_000)))
    assert tail(log, 2) == ["line 9998", "line 9999"]
    assert tail(tmp_path / "none.log") == []
    assert tail(None) == []
