"""The format of API keys and their secrets: a scanner of leaked text recognises one without a lookup.

    key_live_, key_test_            18 random characters ─ 6 of the checksum
    secret_live_, secret_test_      36 random characters ─ 6 of the checksum

Characters are those of base 62; the checksum is the CRC-32 of everything before it. Keys of the first release have
hexadecimal digits and no checksum: they still work, and have other lengths or characters.
"""

from __future__ import annotations

import re
import zlib

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY_CHARACTERS, SECRET_CHARACTERS = 18, 36
"""Random ones: 107 and 214 bits."""
CHECKSUM_CHARACTERS = 6
"""62^6 is more than 2^32."""
SECRET = re.compile(rf"secret_(?:live|test)_[0-9A-Za-z]{{{SECRET_CHARACTERS + CHECKSUM_CHARACTERS}}}")


def token(prefix: str, random: int, *, characters: int) -> str:
    """`prefix`, so many characters that stand for `random` (0 to 62^characters - 1), and the checksum."""
    text = prefix + _base62(random, characters)
    return text + _base62(zlib.crc32(text.encode()), CHECKSUM_CHARACTERS)


def is_mistyped(secret: str) -> bool:
    """Whether a text has the format of a secret, but cannot be one: its checksum is wrong."""
    if SECRET.fullmatch(secret) is None:
        return False
    text, checksum = secret[:-CHECKSUM_CHARACTERS], secret[-CHECKSUM_CHARACTERS:]
    return checksum != _base62(zlib.crc32(text.encode()), CHECKSUM_CHARACTERS)


def _base62(number: int, characters: int) -> str:
    found = ""
    for _ in range(characters):
        number, digit = divmod(number, len(ALPHABET))
        found = ALPHABET[digit] + found
    return found
