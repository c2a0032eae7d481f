"""Other people's programs as processes of their own, with a limit on their time."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ops.console.environment import REPOSITORY

PROGRAM_SECONDS_MAX = 60


def printed(command: list[str], environment: dict[str, str]) -> str:
    """What a program printed that was given nothing but its own variables."""
    own = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PROGRAM_SECONDS_MAX, check=False, env=own, cwd=REPOSITORY
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(command: list[str], folder: Path, *, seconds: float) -> None:
    """Run one step of a build, with the tools' own settings."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as expired:
        raise AssertionError(f"{' '.join(command)} has not ended within {seconds:.0f} s") from expired
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
