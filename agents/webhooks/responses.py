"""aiohttp's client, adapted so that the status line decides: an error after it is recorded and changes nothing.

HTTP/1.1 200 OK ─► the receiver has accepted the event, even if a header is too long, a chunk is malformed, or the
                   connection is reset before the headers end
"""

from __future__ import annotations

import re
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientResponse

FIELD_BYTES_MAX = 32_768
"""One header of the response. Cookies and policies of 9 KB occur; common proxies refuse more than this."""
HEAD_BYTES_MAX = 65_536
"""All headers of a response: the memory that it may take before it is parsed."""
_LINE_BYTES_MAX = 1_024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")


class BrokenResponseError(aiohttp.ClientError):
    """The response broke off after its status line, which had `status`."""

    def __init__(self, status: int, reason: BaseException) -> None:
        super().__init__(f"the answer broke off after its status line: {type(reason).__name__}: {reason}")
        self.status = status


class StatusLineHandler(ResponseHandler):
    """The connection's protocol: remembers how each response begins, and bounds its head."""

    _begun = b""
    _head_bytes = 0
    _head_open = False

    def set_response_params(self, **parameters: Any) -> None:
        """aiohttp calls this before each request of the connection."""
        self._begun, self._head_bytes, self._head_open = b"", 0, True
        super().set_response_params(**parameters)

    def data_received(self, data: bytes) -> None:
        if self._head_open:
            self._begun += data[: _LINE_BYTES_MAX - len(self._begun)]
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_open and self._head_bytes > HEAD_BYTES_MAX:
            self.set_exception(aiohttp.ClientPayloadError(f"the headers exceed {HEAD_BYTES_MAX} bytes"))
            if self.transport is not None:
                self.transport.abort()

    def feed_data(self, data: Any, size: int = 0) -> None:
        """aiohttp passes a parsed head."""
        self._head_open = data[0].code < 200
        super().feed_data(data, size)

    def status(self) -> int | None:
        """The status of the response under way, once its line is complete; None for interim responses (1xx)."""
        begun = self._begun
        while (line := _STATUS_LINE.match(begun)) is not None:
            code = int(line[1])
            if code >= 200:
                return code
            end = _END_OF_HEAD.search(begun)
            if end is None:
                return None
            begun = begun[end.end() :]
        return None


class LenientResponse(ClientResponse):
    """A response of which at least the status line was read."""

    async def start(self, connection: Any) -> ClientResponse:
        protocol = connection.protocol
        try:
            return await super().start(connection)
        except (aiohttp.ClientError, OSError) as error:
            status = protocol.status() if isinstance(protocol, StatusLineHandler) else None
            if status is None:
                raise
            raise BrokenResponseError(status, error) from error


class Connector(aiohttp.TCPConnector):
    """A connector whose connections are StatusLineHandlers."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        # aiohttp has no public way to choose the protocol; test_webhook_sending.py notices if this one disappears.
        self._factory: Any = lambda: StatusLineHandler(loop=self._loop)
