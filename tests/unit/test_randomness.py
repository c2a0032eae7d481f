"""Identifiers and tokens: never the same twice, in threads and after a fork either; from a seed where one is given."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor

from domain.ids import ORDER, is_id
from runtime.clock import SYSTEM_CLOCK, Ids, make_id, random_token


def test_no_token_is_repeated_however_many_threads_draw() -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: random_token(), range(20_000)))
    assert len(set(tokens)) == len(tokens)
    assert {len(token) for token in tokens} == {32}


def test_identifiers_have_their_form_and_differ() -> None:
    made = [make_id(ORDER) for _ in range(5_000)]
    assert len(set(made)) == len(made)
    assert all(is_id(ORDER, one) for one in made)


def test_a_forked_process_does_not_repeat_its_parents_tokens() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, random_token().encode())
        os._exit(0)
    os.waitpid(child, 0)
    of_child = os.read(reading, 32).decode()
    os.close(reading)
    os.close(writing)
    assert of_child != random_token()


def test_equal_seeds_draw_equal_tokens_and_fractions() -> None:
    one, other = (Ids(SYSTEM_CLOCK, random.Random(7).randbytes) for _ in range(2))
    assert [one.token() for _ in range(5)] == [other.token() for _ in range(5)]
    assert [one.fraction() for _ in range(5)] == [other.fraction() for _ in range(5)]


def test_a_fraction_is_at_least_zero_and_below_one() -> None:
    lowest, highest = Ids(SYSTEM_CLOCK, bytes), Ids(SYSTEM_CLOCK, lambda count: b"\xff" * count)
    assert lowest.fraction() == 0.0
    assert 0.999 < highest.fraction() < 1.0
