"""PostgreSQL under Patroni on the local stack ends when its Patroni does, and not before."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.stack.processes import is_alive
from ops.stack.services.patroni import BOUND_POSTGRES
from tests.support.eventually import eventually

WAIT_SECONDS = 20.0


@pytest.fixture
def patroni() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait(WAIT_SECONDS)


@pytest.fixture
def postgres(tmp_path: Path, patroni: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """`sleep` in PostgreSQL's place, started as Patroni starts it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    shutil.copy(BOUND_POSTGRES, programs / "postgres")
    (programs / "real-postgres").symlink_to(str(shutil.which("sleep")))
    (tmp_path / "node.pid").write_text(f"{patroni.pid}\n")
    process = subprocess.Popen([programs / "postgres", "601"])
    yield process
    process.kill()
    process.wait(WAIT_SECONDS)


def watchers(program: Path) -> list[int]:
    """Processes that still run the program in front of PostgreSQL."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if os.fsencode(program) in words:
            found.append(int(entry.name))
    return found


async def test_it_keeps_its_process_id_and_ends_with_patroni(
    postgres: subprocess.Popen[bytes], patroni: subprocess.Popen[bytes]
) -> None:
    def runs() -> bool:
        return Path(f"/proc/{postgres.pid}/cmdline").read_bytes().endswith(b"real-postgres\x00601\x00")

    await eventually(runs, timeout=WAIT_SECONDS, what="the program has taken the process over")
    assert postgres.poll() is None
    os.kill(patroni.pid, signal.SIGKILL)
    patroni.wait(WAIT_SECONDS)
    assert postgres.wait(WAIT_SECONDS) == -signal.SIGKILL


async def test_nothing_stays_behind_when_it_ends_first(postgres: subprocess.Popen[bytes], tmp_path: Path) -> None:
    program = tmp_path / "bin" / "postgres"

    def only_watcher() -> int:
        found = set(watchers(program)) - {postgres.pid}
        return found.pop() if len(found) == 1 and not watchers(program).count(postgres.pid) else 0

    watcher = await eventually(only_watcher, timeout=WAIT_SECONDS, what="the watcher alone is there")
    postgres.terminate()
    assert postgres.wait(WAIT_SECONDS) == -signal.SIGTERM
    await eventually(lambda: not is_alive(watcher), timeout=WAIT_SECONDS, what="the watcher has ended")
