"""The cost of sealing personal fields: processor time of a lifecycle with and without it, measured alternately.

    python -m bench.personal [--rounds 4] [--count 400] [--in-flight 50]

Each payment's only personal field is a UPI address, as is usual.
"""

from __future__ import annotations

import argparse
import asyncio

from bench.locks import ENVIRONMENT, ROLES, measure, service_pids
from tests.support.stack import running_stack


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what sealing personal fields costs a lifecycle.")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--count", type=int, default=400, help="lifecycles a round")
    parser.add_argument("--in-flight", type=int, default=50, help="lifecycles at once")
    options = parser.parse_args()
    with (
        running_stack(env=ENVIRONMENT, roles=ROLES) as plain,
        running_stack(env={**ENVIRONMENT, "PERSONAL_FIELDS": "sealed"}, roles=ROLES) as sealed,
    ):
        stacks = ((plain, service_pids(plain)), (sealed, service_pids(sealed)))
        asyncio.run(measure(*stacks, rounds=options.rounds, count=options.count, in_flight=options.in_flight))


if __name__ == "__main__":
    main()
