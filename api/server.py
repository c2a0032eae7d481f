"""The HTTP/1.1 protocol of the server (uvicorn's on httptools), with bounds on a request's head: its size and its time.

What is refused here never becomes a request, so the response is written directly and the connection is closed.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.http.errors import error_body
from domain.rejection import ErrorCode

HEAD_BYTES_MAX = 65_536
"""Request line and headers together; no legitimate client of a payment API comes near. Above: 431."""
HEAD_SECONDS_MAX = 20.0
"""For the head of a request: from the connection's beginning, or from the first byte that came while none was open."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _in_head = False
    _head_bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(b"431 Request Header Fields Too Large", "The request's headers are too large")
                return
        elif self.cycle is not None and not self.cycle.response_complete:
            return  # a response is under way
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(b"400 Bad Request", "This is not a valid HTTP/1.1 request")

    def _expect_head(self) -> None:
        """Bytes that begin no request (blank lines, the rest of a body already responded to) do not extend the time."""
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(HEAD_SECONDS_MAX, self.transport.close)

    def _end_head(self) -> None:
        self._in_head = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes, description: str) -> None:
        self._end_head()
        if self.transport.is_closing():
            return
        body = error_body(code=ErrorCode.BAD_REQUEST, description=description, field=None, request_id=None)
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(head % (status, len(body)) + body)
        self.transport.close()
