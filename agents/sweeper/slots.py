"""The number of questions that may be under way at once: bounded for each route, and for each merchant on a route.

A silent acquirer fills its own route and no other; a merchant with hundreds of silent attempts leaves room on the
route for everybody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from domain.question import Question

ROUTE_MAX = 200
"""Acquirers limit connections to some hundreds."""
MERCHANT_MAX = 50
"""A quarter of the route: it takes four merchants with nothing but silent attempts to fill it."""


class Slots:
    """The questions under way."""

    def __init__(self, *, route_max: int = ROUTE_MAX, merchant_max: int = MERCHANT_MAX) -> None:
        self._route_max = route_max
        self._merchant_max = merchant_max
        self._under_way: set[tuple[str, str]] = set()
        self._routes: Counter[str] = Counter()
        self._merchants: Counter[tuple[str, str]] = Counter()

    def take(self, waiting: Sequence[Question]) -> tuple[list[Question], list[Question]]:
        """(questions that may be sent now, questions that must wait), both in the given order. Questions under way are
        in neither."""
        taken: list[Question] = []
        left: list[Question] = []
        for question in waiting:
            if question.key in self._under_way:
                continue
            if self._has_room(question):
                self._occupy(question)
                taken.append(question)
            else:
                left.append(question)
        return taken, left

    def free(self, question: Question) -> None:
        """The question has ended, whatever its result."""
        self._under_way.remove(question.key)
        self._routes[question.route] -= 1
        self._merchants[_merchant(question)] -= 1

    def __len__(self) -> int:
        return len(self._under_way)

    def _has_room(self, question: Question) -> bool:
        on_route, of_merchant = self._routes[question.route], self._merchants[_merchant(question)]
        return on_route < self._route_max and of_merchant < self._merchant_max

    def _occupy(self, question: Question) -> None:
        self._under_way.add(question.key)
        self._routes[question.route] += 1
        self._merchants[_merchant(question)] += 1


def _merchant(question: Question) -> tuple[str, str]:
    return question.route, question.subject.merchant_id
