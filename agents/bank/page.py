"""The simulated bank's own page, where a payer completes a payment that waits for them. Test mode only.

    GET  ─► the page: an OTP, or Success and Failure; Cancel
    POST ─► decided in the bank's books ─► notification to our door ─► 303, back to the checkout
                └ already decided, given up: nothing changes ─────────┘

The URL holds a signature, so only its recipient can open the page. If the gateway does not accept a notification, the
processor receives it over its own connection to the bank.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from agents.bank.door import Door
from agents.bank.port import NoResponseError
from agents.bank.simulated import SimulatedBank
from domain.action import ActionType
from domain.currency import decimal_text
from domain.outcome import PAYMENT_CANCELLED, Outcome
from runtime.settings import Settings
from store.errors import DatabaseError
from store.ledger import Entry
from topics.producer import LogUnavailableError

OTP = re.compile(r"[0-9]{4,8}")
WRONG_OTP = "0000"
DECLINED, NOT_AUTHENTICATED, UPI_DECLINED = "BANK_DECLINED", "AUTHENTICATION_FAILED", "UPI_DECLINED"
STYLE = """
:root{color-scheme:light dark;--ink:light-dark(#16181d,#f2f3f5);--dim:light-dark(#5a616e,#a3aab6);
--ground:light-dark(#eef0f3,#101216);--sheet:light-dark(#fff,#1a1d23);--line:light-dark(#747c89,#7d8592);
--press:light-dark(#0b57d0,#a8c7fa);--on-press:light-dark(#fff,#062e6f)}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:16px;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
main{width:min(100%,400px);padding:24px;background:var(--sheet);border-radius:12px}
h1{margin:0 0 4px;font-size:20px}
p{margin:0 0 16px}
.dim{color:var(--dim);font-size:14px}
.amount{font-size:28px;font-weight:600;margin:16px 0}
form{display:grid;gap:12px}
label{display:grid;gap:4px}
input,button{font:inherit;min-height:48px;border-radius:8px;padding:0 14px;border:1px solid var(--line);
background:var(--sheet);color:var(--ink);width:100%}
button{cursor:pointer;font-weight:600}
.main{background:var(--press);color:var(--on-press);border-color:var(--press)}
.wrong{color:light-dark(#a3162a,#ffb3b8)}
:focus-visible{outline:3px solid var(--press);outline-offset:2px}
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


class BankPage:
    """`order_of`: order of an attempt, to return the payer to its checkout."""

    def __init__(
        self, bank: SimulatedBank, settings: Settings, door: Door, *, order_of: Callable[[str], Awaitable[str | None]]
    ) -> None:
        self._bank = bank
        self._checkout_url = settings.checkout_url.rstrip("/")
        self._door = door
        self._order_of = order_of
        self._policy = (
            f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self' {self._checkout_url}; "
            "base-uri 'none'; frame-ancestors 'none'"
        )

    async def show(self, attempt_id: str, signature: str) -> Response:
        """The page; a redirect to the checkout if nothing is left to decide."""
        try:
            entry = await self._known(attempt_id, signature)
        except NoResponseError:
            return _unavailable()
        if entry is None:
            return _nothing_here()
        if not entry.waits or entry.step == ActionType.APP:
            return await self._back(attempt_id)
        return self._page(entry)

    async def press(self, attempt_id: str, signature: str, body: bytes, *, request_id: str) -> Response:
        """What the payer pressed: `press` is success, failure, cancel or otp."""
        try:
            entry = await self._known(attempt_id, signature)
            if entry is None:
                return _nothing_here()
            decided = _decision(body, entry)
            if decided is None and entry.waits:
                return self._page(entry, wrong=True)
            if decided is not None:
                await self._decide(attempt_id, *decided, request_id=request_id)
        except NoResponseError:
            return _unavailable()
        return await self._back(attempt_id)

    async def scan(self, attempt_id: str, *, approved: bool, request_id: str) -> bool:
        """What the payer decides in their UPI app; False if no attempt waits for it. Raises OSError."""
        decided = (Outcome.SUCCESS, None) if approved else (Outcome.FAILED, UPI_DECLINED)
        try:
            entry = await self._bank.entry(attempt_id)
            if entry is None or not entry.waits or entry.step != ActionType.APP:
                return False
            return await self._decide(attempt_id, *decided, request_id=request_id)
        except NoResponseError as error:
            raise ConnectionError(str(error)) from error

    async def _decide(self, attempt_id: str, outcome: Outcome, error_code: str | None, *, request_id: str) -> bool:
        """Whether there was something to decide."""
        result = await self._bank.decide(attempt_id, outcome, error_code)
        if result is None:
            return False
        try:
            received = await self._door.receive(*self._bank.notification(result), request_id=request_id)
        except (LogUnavailableError, DatabaseError):
            return True
        if received is None:
            await self._bank.confirm(result)
        return True

    async def _known(self, attempt_id: str, signature: str) -> Entry | None:
        if not self._bank.is_page_of(attempt_id, signature):
            return None
        return await self._bank.entry(attempt_id)

    async def _back(self, attempt_id: str) -> Response:
        order_id = await self._order_of(attempt_id)
        return RedirectResponse(f"{self._checkout_url}/checkout?order_id={order_id}", 303, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        return {"Content-Security-Policy": self._policy, "Cache-Control": "no-store"}

    def _page(self, entry: Entry, *, wrong: bool = False) -> Response:
        form = OTP_FORM if entry.step == ActionType.OTP else CHOICE
        text = PAGE.format(
            style=STYLE,
            amount=html.escape(_amount(entry)),
            attempt=html.escape(entry.attempt_id),
            form=form.format(wrong=WRONG if wrong else ""),
        )
        return HTMLResponse(text, 400 if wrong else 200, headers=self._headers())


def _decision(body: bytes, entry: Entry) -> tuple[Outcome, str | None] | None:
    """What the bank decides; None: the input is not valid."""
    try:
        form = parse_qs(body.decode("ascii"), max_num_fields=10)
    except ValueError:
        return None
    press, otp = form.get("press", [""])[0], form.get("otp", [""])[0].strip()
    if press == "cancel":
        return Outcome.FAILED, PAYMENT_CANCELLED
    if entry.step == ActionType.OTP:
        if press != "otp" or not OTP.fullmatch(otp):
            return None
        return (Outcome.FAILED, NOT_AUTHENTICATED) if otp == WRONG_OTP else (Outcome.SUCCESS, None)
    if press == "failure":
        return Outcome.FAILED, DECLINED
    return (Outcome.SUCCESS, None) if press == "success" else None


def _amount(entry: Entry) -> str:
    """`INR 1,500.00`, as banks print it."""
    whole, point, part = decimal_text(entry.amount, entry.currency).partition(".")
    return f"{entry.currency} {int(whole):,}{point}{part}"


def _unavailable() -> Response:
    return PlainTextResponse("The bank is unavailable. Try again.", 503, headers={"Retry-After": "1"})


def _nothing_here() -> Response:
    return PlainTextResponse("There is no such payment at this bank.", 404)


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Test bank</title>
<style>{style}</style>
<main data-test-id="bank-page">
<h1>Test bank</h1>
<p class="dim">This page stands in for the payer's bank. No money moves.</p>
<p class="amount">{amount}</p>
<p class="dim">Payment {attempt}</p>
{form}
</main>
</html>
"""
CHOICE = """<form method="post">
{wrong}<button class="main" name="press" value="success" data-test-id="bank-success">Success</button>
<button name="press" value="failure" data-test-id="bank-failure">Failure</button>
<button name="press" value="cancel" data-test-id="bank-cancel">Cancel</button>
</form>"""
OTP_FORM = """<form method="post">
<label>One-time password
<input name="otp" inputmode="numeric" autocomplete="one-time-code" maxlength="8" autofocus data-test-id="otp-input">
</label>
{wrong}<p class="dim">0000 fails; any other 4 to 8 digits succeed.</p>
<button class="main" name="press" value="otp" data-test-id="otp-submit">Submit</button>
<button name="press" value="cancel" data-test-id="bank-cancel">Cancel</button>
</form>"""
WRONG = '<p class="wrong" role="alert">Enter 4 to 8 digits, or press one of the buttons.</p>\n'
