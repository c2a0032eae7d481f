"""The site of a fault's stack: this machine as it is, a small separate disk, or a clock that can be set.

with Site.SMALL_DISK.opened() as place: ...     root only: mounts a tmpfs and takes it away again
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

SMALL_DISK_MB = 1_500
FAKETIME = "*/faketime/libfaketimeMT.so.1"
"""Below /usr/lib; the folder before it is named after the architecture."""
CLOCK_FILE = "GATEWAY_CHAOS_CLOCK"
BALLAST = "GATEWAY_CHAOS_BALLAST"


@dataclass(frozen=True, slots=True)
class Place:
    """`environment` goes to the roles; the names above in it give a fault the paths to write."""

    environment: Mapping[str, str] = field(default_factory=dict)


class Site(Enum):
    """The environment that a fault's stack needs."""

    PLAIN = "plain"
    SMALL_DISK = "small disk"
    CLOCK = "clock"

    def missing(self) -> str | None:
        """Why this machine cannot have it, or None."""
        match self:
            case Site.SMALL_DISK:
                return None if os.geteuid() == 0 else "mounting a small disk needs root"
            case Site.CLOCK:
                return None if _faketime() else "needs libfaketime (Debian: faketime)"
        return None

    @contextlib.contextmanager
    def opened(self) -> Iterator[Place]:
        match self:
            case Site.PLAIN:
                yield Place()
            case Site.SMALL_DISK:
                with _small_disk() as place:
                    yield place
            case Site.CLOCK:
                with _settable_clock() as place:
                    yield place


def tool_missing(program: str) -> str | None:
    """Why a fault that runs `program` as root cannot be had, or None."""
    if os.geteuid() != 0:
        return f"{program} needs root"
    return None if shutil.which(program) else f"{program} is not installed"


@contextlib.contextmanager
def _small_disk() -> Iterator[Place]:
    """Run directories are made on a tmpfs while it is open."""
    before: Any = tempfile.tempdir
    folder = tempfile.mkdtemp(prefix="gateway-small-disk-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MB}m,mode=1777", "tmpfs", folder], check=True)
    tempfile.tempdir = folder
    try:
        yield Place({BALLAST: str(Path(folder) / "ballast")})
    finally:
        tempfile.tempdir = before
        subprocess.run(["umount", "--lazy", folder], check=True)
        Path(folder).rmdir()


@contextlib.contextmanager
def _settable_clock() -> Iterator[Place]:
    """The roles' wall clock follows a file, read once a second; their monotonic clock is unchanged."""
    with tempfile.TemporaryDirectory(prefix="gateway-clock-") as folder:
        clock = Path(folder) / "clock"
        clock.write_text("+0", encoding="ascii")
        yield Place(
            {
                "LD_PRELOAD": _faketime() or "",
                "FAKETIME_TIMESTAMP_FILE": str(clock),
                "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                CLOCK_FILE: str(clock),
            }
        )


def _faketime() -> str | None:
    return next((str(path) for path in Path("/usr/lib").glob(FAKETIME)), None)
