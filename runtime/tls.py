"""The TLS context of our clients: the authorities for the server's certificate, and our own certificate."""

from __future__ import annotations

import ssl
from functools import lru_cache


def client_context(
    ca_file: str = "", certificate_file: str = "", key_file: str = "", key_password: str = ""
) -> ssl.SSLContext:
    """Certificate and host name of the server are checked. Without `ca_file` the system's authorities are trusted, with
    it those in the file alone.

    One for each set of files and process: reading the system's authorities takes 30 ms of processor time.
    Raises OSError (ssl.SSLError is one) or ValueError for files that cannot be read.
    """
    return _context(ca_file, certificate_file, key_file, key_password)


@lru_cache(maxsize=16)
def _context(ca_file: str, certificate_file: str, key_file: str, key_password: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file or None)
    if certificate_file:
        context.load_cert_chain(certificate_file, key_file or None, key_password or None)
    return context
