"""Port conflicts, each reported in one sentence."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from ops.stack.ports import clash_sentence, clashes, is_free, owner_of


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_listening_port_is_not_free_and_its_owner_is_this_process(taken_port: int) -> None:
    assert not is_free(taken_port)
    owner = owner_of(taken_port)
    assert owner is not None
    assert f"(pid {os.getpid()})" in owner


def test_a_port_that_was_closed_is_free_again() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    assert is_free(port)
    assert owner_of(port) is None


def test_a_clash_names_the_port_its_owner_and_the_variable(taken_port: int) -> None:
    (sentence,) = clashes({taken_port: "REDIS_PORT"})
    assert f"Port {taken_port} is in use by " in sentence
    assert "REDIS_PORT=" in sentence


def test_without_the_right_to_look_the_owner_is_left_out() -> None:
    assert clash_sentence(8000, variable="PORT", owner=None) == ("Port 8000 is in use; stop that process or set PORT=…")
