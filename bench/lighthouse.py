"""Lighthouse's scores of the hosted checkout, by default as a phone on a slow network.

    python -m bench.lighthouse [--runs 3] [--lighthouse PROGRAM]      a stack of its own, the best run counts

Lighthouse is fetched by npx (version LIGHTHOUSE) unless `--lighthouse` names a program. One line a run, then the
metrics of the best.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from typing import Any

import httpx

from bench.load import ORDER, ORDERS
from tests.support.stack import ALL_ROLES, Stack, running_stack

LIGHTHOUSE = "lighthouse@12"
SECONDS_MAX = 300
METRICS = (
    "first-contentful-paint",
    "largest-contentful-paint",
    "speed-index",
    "total-blocking-time",
    "cumulative-layout-shift",
)


def checkout_url(stack: Stack) -> str:
    """The page of a new order."""
    settings = stack.settings
    headers = {"X-Api-Key": settings.test_api_key, "X-Api-Secret": settings.test_api_secret.get_secret_value()}
    made = httpx.post(f"{stack.api_url}{ORDERS}", json=ORDER, headers=headers, timeout=20)
    made.raise_for_status()
    return f"{stack.checkout_url}/checkout?order_id={made.json()['id']}"


def report_of(url: str, program: list[str]) -> dict[str, Any]:
    """Lighthouse's report of one run."""
    command = [
        *program,
        url,
        "--quiet",
        "--output=json",
        "--only-categories=performance,accessibility",
        "--chrome-flags=--headless=new --no-sandbox --disable-gpu",
    ]
    environment = {"CHROME_PATH": os.environ.get("CHROMIUM_PATH", "/usr/bin/chromium"), **os.environ}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=SECONDS_MAX, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def score(report: dict[str, Any], category: str) -> float:
    return float(report["categories"][category]["score"] or 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--lighthouse", default="", help="the program, where it is installed already")
    chosen = parser.parse_args()
    program = [chosen.lighthouse] if chosen.lighthouse else ["npx", "--yes", LIGHTHOUSE]
    reports = []
    with running_stack(roles=ALL_ROLES, env={"LOG_LEVEL": "warning"}) as stack:
        stack.start_pages()
        for number in range(1, chosen.runs + 1):
            reports.append(report_of(checkout_url(stack), program))
            performance, accessibility = (score(reports[-1], name) for name in ("performance", "accessibility"))
            print(f"{number}: performance {performance:.2f}, accessibility {accessibility:.2f}", flush=True)
    best = max(reports, key=lambda report: score(report, "performance"))
    for name in METRICS:
        print(f"  {name:27} {best['audits'][name]['displayValue']}")


if __name__ == "__main__":
    main()
