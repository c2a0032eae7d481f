"""A cold copy of a stack's database, and putting it back: what a backup of last night does to a running gateway."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

from tests.support.stack import Stack


def _data(stack: Stack) -> Path:
    return (stack.plan.run_dir / "postgres").resolve() / "data"


async def copy_database(stack: Stack) -> Path:
    """PostgreSQL is down while its files are copied; the roles wait for it."""
    copy = _data(stack).with_name("copy")
    await asyncio.to_thread(_while_down, stack, _data(stack), copy)
    return copy


async def restore_database(stack: Stack, copy: Path) -> None:
    """The copy takes the place of the live files, while PostgreSQL is down."""
    await asyncio.to_thread(_while_down, stack, copy, _data(stack))


def _while_down(stack: Stack, source: Path, target: Path) -> None:
    stack.hold("postgres")
    try:
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(["cp", "-a", str(source), str(target)], check=True)
    finally:
        stack.release("postgres")
