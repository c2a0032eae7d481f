"""The expressions of `--where`: comparisons of fields, joined by and, or, not.

    amount > 50000 and status = FAILED          not (method = card or vpa ~ '@upi')

    or    := and ("or" and)*          compare := path (= | != | > | >= | < | <= | ~) value  |  path
    and   := not ("and" not)*         value   := number | 'text' | "text" | word
    not   := "not" not | "(" or ")" | compare

A path is searched in the record, then in its body, then anywhere below it (`amount` finds body.payment.amount); dots
go down (`bank.token`). `~` is a regular expression. A comparison holds if any value found satisfies it; values of
different kinds are never equal, greater or smaller.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from typing import Any

from ops.console.exit_codes import UsageError
from topics.records import JsonObject, every_value

Predicate = Callable[[JsonObject], bool]
LENGTH_MAX = 2_000

_TOKEN = re.compile(
    r"\s*(?:(?P<operator>>=|<=|!=|==|=|>|<|~)|(?P<paren>[()])|(?P<text>'[^']*'|\"[^\"]*\")|(?P<word>[^\s()=!<>~'\"]+))"
)
_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_CONSTANTS: dict[str, object] = {"true": True, "false": False, "null": None, "none": None}


def compile_where(text: str) -> Predicate:
    """The predicate of an expression. Raises UsageError with the position that cannot be read."""
    if len(text) > LENGTH_MAX:
        raise UsageError(f"The expression is longer than {LENGTH_MAX} characters.")
    parser = _Parser(text)
    try:
        predicate = parser.either()
    except RecursionError:
        raise UsageError("The expression is nested too deeply.") from None
    parser.expect_end()
    return predicate


class _Parser:
    """Recursive descent over the tokens; each method reads one rule of the grammar above."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    def either(self) -> Predicate:
        left = self._both()
        while self._take_word("or"):
            left = _any_of(left, self._both())
        return left

    def _both(self) -> Predicate:
        left = self._negated()
        while self._take_word("and"):
            left = _all_of(left, self._negated())
        return left

    def _negated(self) -> Predicate:
        if self._take_word("not"):
            inner = self._negated()
            return lambda record: not inner(record)
        if self._take("paren", "("):
            inner = self.either()
            if not self._take("paren", ")"):
                raise self._wrong("a closing parenthesis")
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        kind, path, _ = self._peek()
        if kind != "word":
            raise self._wrong("the name of a field")
        self._next += 1
        kind, sign, _ = self._peek()
        if kind != "operator":
            return lambda record: any(_found(record, path))
        self._next += 1
        kind, raw, _ = self._peek()
        if kind not in ("word", "text"):
            raise self._wrong("a value")
        self._next += 1
        return _comparison(path, sign, _literal(kind, raw))

    def expect_end(self) -> None:
        if self._next < len(self._tokens):
            raise self._wrong("and, or, or the end")

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "", len(self._text))

    def _take(self, kind: str, value: str) -> bool:
        found, raw, _ = self._peek()
        if found == kind and raw.lower() == value:
            self._next += 1
            return True
        return False

    def _take_word(self, value: str) -> bool:
        return self._take("word", value)

    def _wrong(self, expected: str) -> UsageError:
        _, _, place = self._peek()
        return UsageError(f"In the expression {self._text!r}, expected {expected} at character {place + 1}.")


def _tokens(text: str) -> list[tuple[str, str, int]]:
    found, place = [], 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise UsageError(f"In the expression {text!r}, character {place + 1} is unexpected.")
        kind = str(match.lastgroup)
        found.append((kind, match[kind], match.start(kind)))
        place = match.end()
    return found


def _literal(kind: str, raw: str) -> object:
    if kind == "text":
        return raw[1:-1]
    if raw.lower() in _CONSTANTS:
        return _CONSTANTS[raw.lower()]
    try:
        return float(raw) if "." in raw else int(raw)
    except ValueError:
        return raw


def _comparison(path: str, sign: str, expected: object) -> Predicate:
    if sign == "~":
        try:
            pattern = re.compile(str(expected))
        except re.error as error:
            raise UsageError(f"{expected!r} is not a valid regular expression: {error}.") from None
        return lambda record: any(isinstance(v, str) and pattern.search(v) is not None for v in _found(record, path))
    if sign in ("=", "=="):
        return lambda record: any(_same(value, expected) for value in _found(record, path))
    if sign == "!=":
        return lambda record: not any(_same(value, expected) for value in _found(record, path))
    compare = _ORDERINGS[sign]
    return lambda record: any(
        _comparable(value, expected) and compare(value, expected) for value in _found(record, path)
    )


def _same(value: object, expected: object) -> bool:
    if isinstance(value, bool) or isinstance(expected, bool):
        return value is expected
    if isinstance(value, str) and not isinstance(expected, str):
        return expected is not None and value == str(expected)
    return value == expected


def _comparable(value: object, expected: object) -> bool:
    if isinstance(value, bool) or isinstance(expected, bool):
        return False
    numbers = (int, float)
    return (isinstance(value, numbers) and isinstance(expected, numbers)) or (
        isinstance(value, str) and isinstance(expected, str)
    )


def _found(record: JsonObject, path: str) -> Iterator[object]:
    """Values at a path: of the record, else of its body, else anywhere below the body."""
    names = path.split(".")
    body = record.get("body")
    for place in (record, body):
        value = _descend(place, names)
        if value is not _NOTHING:
            yield value
            return
    for value in every_value(body, names[0]):
        found = _descend(value, names[1:])
        if found is not _NOTHING:
            yield found


_NOTHING = object()


def _descend(value: object, names: list[str]) -> object:
    for name in names:
        if not isinstance(value, dict) or name not in value:
            return _NOTHING
        value = value[name]
    return value


def _any_of(left: Predicate, right: Predicate) -> Predicate:
    return lambda record: left(record) or right(record)


def _all_of(left: Predicate, right: Predicate) -> Predicate:
    return lambda record: left(record) and right(record)
