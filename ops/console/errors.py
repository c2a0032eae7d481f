"""The one error of the command line.

An expected failure of a command is a `GatewayError` whose text is a sentence for the person at the terminal; the
command prints it without a traceback and ends with its exit code.
"""

from __future__ import annotations


class GatewayError(Exception):
    """A sentence about what is wrong, and the next step."""

    def __init__(self, sentence: str, *, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
