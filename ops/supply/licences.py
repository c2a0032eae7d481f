"""Checks that we may ship our dependencies: every component of the bills of materials has a licence of the allow-list.

    python -m ops.supply.licences sbom/python.json sbom/web.json      names all others; exit code 1 where there is one

A component without a licence, or with one that has not been reviewed, is refused until it is reviewed: then ALLOWED or
LOOKED_AT gets a line. An expression is taken apart: of `A OR B` one is enough, of `A AND B` both are needed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

ALLOWED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        # copyleft by file: unchanged files may be shipped
        "MPL-2.0",
        "PSF-2.0",
        "Python-2.0",
    }
)
CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""Licence texts of older Python packages in place of an SPDX identifier."""
LOOKED_AT = {
    "kubernetes-validate": "Apache-2.0 by its LICENSE file; tests only",
    "protobuf": "BSD-3-Clause by its LICENSE file",
    "text-unidecode": "Artistic or GPL, at our choice; Artistic; tests only",
    "venusian": "Repoze, a BSD licence with a clause about trademarks; tests only",
}
OWN = frozenset({"payment-gateway", "api-reference", "checkout-page", "dashboard", "sdk", "web-shared"})
TOKEN = re.compile(r"\(|\)|[^\s()]+")
Component = dict[str, Any]


def refused(components: Iterable[Component]) -> Iterator[str]:
    """A line for each component that must not be shipped yet: name, version, licence."""
    for one in components:
        name = one["name"]
        named = licences_of(one)
        if name not in OWN and name not in LOOKED_AT and not (named and all(map(is_allowed, named))):
            yield f"{name} {one.get('version', '')}: {', '.join(named) or 'no licence named'}"


def licences_of(component: Component) -> list[str]:
    """SPDX expressions. Classifiers count only where there is no expression: they repeat it less exactly."""
    named = [_text(entry) for entry in component.get("licenses", ())]
    exact = [text for text in named if not text.startswith("License :: ")]
    return exact or [CLASSIFIERS.get(text, text) for text in named]


def is_allowed(expression: str) -> bool:
    """Also False for an unreadable expression: free text does not count as a licence until it is reviewed."""
    tokens = TOKEN.findall(expression)
    return _any(tokens) and not tokens


def _any(tokens: list[str]) -> bool:
    """`A AND B OR C`; consumes what it reads."""
    allowed = _all(tokens)
    while tokens and tokens[0].upper() == "OR":
        tokens.pop(0)
        allowed = _all(tokens) or allowed
    return allowed


def _all(tokens: list[str]) -> bool:
    allowed = _one(tokens)
    while tokens and tokens[0].upper() == "AND":
        tokens.pop(0)
        allowed = _one(tokens) and allowed
    return allowed


def _one(tokens: list[str]) -> bool:
    first = tokens.pop(0) if tokens else ""
    if first != "(":
        return first in ALLOWED
    allowed = _any(tokens)
    return bool(tokens) and tokens.pop(0) == ")" and allowed


def _text(entry: dict[str, Any]) -> str:
    licence = entry.get("license", {})
    return str(entry.get("expression") or licence.get("id") or licence.get("name"))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Check the licences of CycloneDX bills of materials.")
    parser.add_argument("--count", action="store_true", help="only count the components")
    parser.add_argument("bills", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    components = [one for bill in options.bills for one in json.loads(bill.read_text("utf-8"))["components"]]
    if options.count:
        print(f"{len(components)} components in {', '.join(map(str, options.bills))}")
        return 0
    problems = list(refused(components))
    for problem in problems:
        print(problem)
    print(f"{len(components)} components, {len(problems)} with a licence that nobody has allowed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
