"""The pictures of the README, taken from a running gateway: `make pictures`, about two minutes.

    docs/images/dashboard-light.png, dashboard-dark.png      the overview after a few dozen payments
    docs/images/checkout-light.png, checkout-dark.png        the hosted checkout of a new order
    docs/images/claim.svg                                    payments, kill -9, verify: the terminal as it was
    docs/images/badge-*.svg                                  licence, versions of Python, tests, what verify found

The stack is one of its own. `claim.svg` shows commands that were run and their output; only waits longer than
PAUSE_SECONDS_MAX are cut.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from playwright.async_api import Browser

from bench import REPOSITORY
from bench.badges import badges, count_tests
from bench.terminal import Line, drawn
from tests.support.api import CARD
from tests.support.chromium import Seen, chromium, open_payer
from tests.support.dashboard import visiting
from tests.support.eventually import eventually
from tests.support.stack import ALL_ROLES, Stack, running_stack

FOLDER = Path(REPOSITORY) / "docs" / "images"
PAYMENTS = 60
SCHEMES = ("light", "dark")
DASHBOARD_SIZE, CHECKOUT_SIZE = (1280, 800), (460, 800)
DECIDED_SECONDS_MAX = 60
PAUSE_SECONDS_MAX = 1.2
SHOP = (("success@upi", 8), ("failure@upi", 1), ("late@upi", 1))
"""Payers' addresses and how often each comes."""
CARD_SHARE = 0.3
LOADED = """() => document.querySelectorAll(".skeleton, .refreshing").length === 0
    && document.querySelector("svg rect, svg path") !== null"""
FOUND_NOTHING = r"\bzero differences"
NOTES = ("Filter coffee", "Cotton shirt", "Two notebooks", "Bus pass", "Jasmine rice, 5 kg")

# Run by bash, line by line, with API, PAYMENTS_ACTOR and PATH set.
CLAIM = (
    "# A hundred payments, and kill -9 for the payment actor in the middle of them",
    "enqueue() { curl -sS -X POST $API/test/jobs/enqueue -o /dev/null -w '%{http_code}\\n'; }",
    "for n in $(seq 100); do enqueue; done > answers &",
    "sleep 1; kill -9 $PAYMENTS_ACTOR",
    "wait; sort answers | uniq -c",
    "sleep 3; curl -sS $API/test/jobs/status | cut -d, -f1-4",
    "gateway verify",
)
SHELL = 'set -u; while IFS= read -r line; do printf "\\036%s\\n" "$line"; eval "$line"; echo; done; printf "\\036\\n"'
"""Each command follows a record separator, which distinguishes it from output."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pictures", description="Take the README's pictures.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help="default: docs/images")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with running_stack(roles=ALL_ROLES, env={"LOG_LEVEL": "warning"}) as stack:
        stack.start_pages()
        _report("terminal")
        with tempfile.TemporaryDirectory() as elsewhere:
            session = list(_claim(stack, elsewhere))
        (folder / "claim.svg").write_text(drawn(session, title="kill -9 and verify"), encoding="utf-8")
        _write_badges(folder, session)
        _report("payments")
        asyncio.run(_photograph(stack, folder))
    for path in sorted(folder.iterdir()):
        _report(f"{path.name}: {path.stat().st_size / 1024:.0f} KB")


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _claim(stack: Stack, folder: str) -> Iterator[Line]:
    """The lines of the terminal, and when each appeared."""
    environment = {
        **os.environ,
        **stack.env,
        "API": f"{stack.api_url}/api/v1",
        "PAYMENTS_ACTOR": str(stack.processes()["payments-0"]["pid"]),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "88",
        "NO_COLOR": "1",
    }
    with subprocess.Popen(
        ["bash", "-c", SHELL],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
        bufsize=1,
    ) as shell:
        assert shell.stdin is not None and shell.stdout is not None
        shell.stdin.write("\n".join(CLAIM) + "\n")
        shell.stdin.close()
        at, last = 0.0, time.monotonic()
        for text in shell.stdout:
            now = time.monotonic()
            at, last = at + min(now - last, PAUSE_SECONDS_MAX), now
            is_command = text.startswith("\036")
            yield Line(at, text.lstrip("\036").rstrip("\n"), is_command)


def _write_badges(folder: Path, session: list[Line]) -> None:
    """Raises ValueError if verify found a difference."""
    if not any(re.search(FOUND_NOTHING, line.text) for line in session):
        raise ValueError("verify did not end with 0 differences:\n" + "\n".join(line.text for line in session[-30:]))
    for name, drawing in badges(count_tests()).items():
        (folder / f"badge-{name}.svg").write_text(drawing, encoding="utf-8")


async def _photograph(stack: Stack, folder: Path) -> None:
    await _trade(stack)
    order_id = await _order(stack, 149_900, "Cotton shirt, size M")
    async with chromium() as browser:
        for scheme in SCHEMES:
            await _take_dashboard(browser, stack, scheme, folder / f"dashboard-{scheme}.png")
            await _take_checkout(browser, stack, order_id, scheme, folder / f"checkout-{scheme}.png")


def _merchant(stack: Stack) -> httpx.AsyncClient:
    settings = stack.settings
    credentials = settings.test_api_key, settings.test_api_secret.get_secret_value()
    return httpx.AsyncClient(base_url=f"{stack.api_url}/api/v1", auth=credentials, timeout=30)


async def _order(stack: Stack, amount: int, receipt: str) -> str:
    async with _merchant(stack) as merchant:
        made = await merchant.post("/orders", json={"amount": amount, "receipt": receipt})
        return str(made.raise_for_status().json()["id"])


async def _trade(stack: Stack) -> None:
    """A shop's busy hour: most payments succeed, and some are partly refunded."""
    chance = random.Random(7)
    addresses = [address for address, often in SHOP for _ in range(often)]
    async with _merchant(stack) as merchant:
        paid = []
        for number in range(PAYMENTS):
            order = {"amount": chance.randrange(9_900, 499_900, 1_000), "receipt": f"shop-{1000 + number}"}
            made = (await merchant.post("/orders", json=order)).raise_for_status().json()
            by_card = chance.random() < CARD_SHARE
            means = {"method": "card", "card": CARD} if by_card else {"method": "upi", "vpa": chance.choice(addresses)}
            pay = {"order_id": made["id"], "description": chance.choice(NOTES), **means}
            paid.append((await merchant.post("/payments", json=pay)).raise_for_status().json()["id"])
        for payment_id in paid[::9]:
            await _settled(merchant, payment_id)
            await merchant.post(f"/payments/{payment_id}/refunds", json={"amount": 5_000})
        for payment_id in paid:
            await _settled(merchant, payment_id)


async def _settled(merchant: httpx.AsyncClient, payment_id: str) -> None:
    async def is_decided() -> bool:
        return (await merchant.get(f"/payments/{payment_id}")).json()["status"] in {"SUCCESS", "FAILED"}

    await eventually(is_decided, timeout=DECIDED_SECONDS_MAX, interval=0.2, what=f"the outcome of {payment_id}")


async def _take_dashboard(browser: Browser, stack: Stack, scheme: str, path: Path) -> None:
    async with visiting(browser, stack, size=DASHBOARD_SIZE, scheme=scheme) as visitor:
        await visitor.sign_in("test@example.com", "password123")
        await visitor.page.get_by_text("24 hours", exact=True).click()
        await visitor.page.wait_for_function(LOADED)
        await visitor.page.screenshot(path=path)


async def _take_checkout(browser: Browser, stack: Stack, order_id: str, scheme: str, path: Path) -> None:
    width, height = CHECKOUT_SIZE
    viewport = {"width": width, "height": height}
    payer = await open_payer(browser, stack, Seen(), viewport=viewport, color_scheme=scheme)
    await payer.visit(order_id)
    await payer.part("method-card").wait_for()
    await payer.page.screenshot(path=path)
    await payer.context.close()


if __name__ == "__main__":
    main()
