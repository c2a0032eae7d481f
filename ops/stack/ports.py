"""Checks that the ports are free, before anything is started, so that a conflict is one sentence and not a service that
fails halfway.

The owner of a port is read from /proc (Linux); without the right to read it, the sentence omits the owner.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from pathlib import Path

PROC = Path("/proc")
LISTEN_STATE = "0A"


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could bind it. SO_REUSEADDR as servers set it, so that TIME_WAIT does not count."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def clashes(ports: Mapping[int, str], host: str = "127.0.0.1") -> list[str]:
    """One sentence for each port in use; `ports` maps a port to the variable that moves it."""
    return [
        clash_sentence(port, variable=variable, owner=owner_of(port))
        for port, variable in sorted(ports.items())
        if not is_free(port, host)
    ]


def clash_sentence(port: int, *, variable: str, owner: str | None) -> str:
    by = f" by {owner}" if owner else ""
    return f"Port {port} is in use{by}; stop that process or set {variable}=…"


def owner_of(port: int) -> str | None:
    """`name (pid N)` of the process that listens on a port, if /proc shows it."""
    inodes = _listening_inodes(port)
    for entry in PROC.glob("[0-9]*") if inodes else ():
        if inodes & _socket_inodes(entry):
            return f"{_name(entry)} (pid {entry.name})"
    return None


def _listening_inodes(port: int) -> set[str]:
    found: set[str] = set()
    for table in ("net/tcp", "net/tcp6"):
        try:
            lines = (PROC / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == LISTEN_STATE and int(fields[1].rsplit(":", 1)[1], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _socket_inodes(process: Path) -> set[str]:
    found: set[str] = set()
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(descriptor.readlink()))
    return found


def _name(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "a process"
    return " ".join(word.decode(errors="replace") for word in words[:3] if word)[:80] or "a process"
