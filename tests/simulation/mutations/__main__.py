"""`python -m tests.simulation.mutations`: search for every mutation, and write the table into docs/SIMULATION.md.

--only TEXT              mutations whose name holds it; the rows of the others stay as they are
--seeds 2000             worlds for each
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.simulation.mutations import SEEDS, Described, Found, find, mutations

DOCUMENT = Path(__file__).parents[3] / "docs" / "SIMULATION.md"
BEGIN, END = "<!-- mutations: begin -->\n", "<!-- mutations: end -->\n"
HEAD = "| mutation | file | found at seed | broken promise | seconds |\n|---|---|--:|---|--:|\n"


def main() -> int:
    """Exit code 1 where a mutation was not found."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutations", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--processes", type=int, help="default: one for each core")
    requested = parser.parse_args()
    results = []
    for mutation in mutations():
        if requested.only in mutation.name:
            found = find(mutation, seeds=requested.seeds, processes=requested.processes)
            results.append((mutation, found))
            print(_row(mutation, found), end="", flush=True)
            text = DOCUMENT.read_text(encoding="utf-8")
            DOCUMENT.write_text(_with_row(text, mutation, _row(mutation, found)), encoding="utf-8")
    missed = [mutation.name for mutation, found in results if found.seed is None]
    print(f"{len(results) - len(missed)} of {len(results)} found")
    return 1 if missed else 0


def _row(mutation: Described, found: Found) -> str:
    seed = "not found" if found.seed is None else str(found.seed)
    return f"| {mutation.name} | `{mutation.change.file}` | {seed} | {found.promise} | {found.seconds:.0f} |\n"


def _with_row(text: str, searched: Described, row: str) -> str:
    """The document with this row, in the order of the mutations; rows of mutations that are gone are left out."""
    before, begin, rest = text.partition(BEGIN)
    table, end, after = rest.partition(END)
    assert begin and end, f"{DOCUMENT.name} has no place for the table"
    rows = {line.split(" | ")[0].removeprefix("| "): f"{line}\n" for line in table.splitlines()[2:]}
    rows[searched.name] = row
    kept = (rows[mutation.name] for mutation in mutations() if mutation.name in rows)
    return f"{before}{begin}{HEAD}{''.join(kept)}{end}{after}"


if __name__ == "__main__":
    sys.exit(main())
