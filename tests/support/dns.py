"""A name server on 127.0.0.1 that resolves some names and is silent about all others.

async with name_server({"shop.test": "127.0.0.1"}) as server:
    server.address      "127.0.0.1:<port>", for Names(nameservers=…)
    server.requested    names that were asked for, in order
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

TYPE_A = 1
RESPONSE_FLAGS = 0x8180
POINTER_TO_QUESTION = 0xC00C


@dataclass(slots=True)
class NameServer(asyncio.DatagramProtocol):
    addresses: Mapping[str, str]
    requested: list[str] = field(default_factory=list)
    address: str = ""
    _transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        host, port = transport.get_extra_info("sockname")[:2]
        self.address = f"{host}:{port}"

    def datagram_received(self, data: bytes, sender: Any) -> None:
        name, end = _question(data)
        (kind,) = struct.unpack_from("!H", data, end)
        self.requested.append(name)
        known = self.addresses.get(name)
        if known is None:
            return
        responses = b""
        if kind == TYPE_A:
            responses = struct.pack("!HHHIH", POINTER_TO_QUESTION, TYPE_A, 1, 60, 4) + socket.inet_aton(known)
        header = data[:2] + struct.pack("!HHHHH", RESPONSE_FLAGS, 1, 1 if responses else 0, 0, 0)
        self._transport.sendto(header + data[12 : end + 4] + responses, sender)


def _question(data: bytes) -> tuple[str, int]:
    """The name that is asked for, in lower case, and where its type begins."""
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1 : at + 1 + data[at]].decode())
        at += data[at] + 1
    return ".".join(labels).lower(), at + 1


@contextlib.asynccontextmanager
async def name_server(addresses: Mapping[str, str]) -> AsyncIterator[NameServer]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(addresses), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
