"""`gateway listen`: the events of a running gateway as signed webhooks on a developer's machine.

events topic ─► the same body, signature and sender as the dispatcher's ─► --forward-to http://localhost:…
                                                                       └─► without it: printed
    typed while it runs:   r   send the last one again        evt_…   send that one again

Reads outside of every consumer group, writes nothing: no delivery row, no retry. One attempt each; a failure is shown.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections import OrderedDict
from datetime import datetime
from secrets import token_bytes
from typing import Annotated, Any

import orjson
import typer
from pydantic import SecretStr
from rich.text import Text

from agents.webhooks.sender import Sender
from domain.delivery import Due, Prepared, Sent
from domain.event_kind import MERCHANT_EVENTS
from domain.ids import parse_event_id
from domain.signature import SECRET_BYTES, SECRET_BYTES_MIN, SECRET_PREFIX, Secrets, is_secret, new_secret
from ops.console.exit_codes import FOUND, UsageError, run
from ops.console.names import parse_instant
from ops.console.output import Json, console, print_json_line
from ops.log.formats import printable, style_of
from runtime.clock import now
from runtime.order_keys import MARK
from runtime.settings import Settings
from store.connections import make_pool
from store.operations.inspection import events_of
from store.order_keys import OrderKeys
from topics.catalogue import EVENTS
from topics.delivery import event_webhook_body
from topics.envelope import Envelope, UndecodableError, decode
from topics.events import PaymentRecord, any_event_of
from topics.reader import Start, log_reader

KNOWN_MAX = 20_000
LISTENER = "whe_" + "0" * 16
"""Placeholder for the missing endpoint."""


class Forwarder:
    """Sends one event after another to the developer's URL and remembers them, to send them again on demand.

    `url` None: payloads are printed instead.
    """

    def __init__(self, settings: Settings, url: str | None, secret: str, *, insecure: bool, as_json: bool) -> None:
        # A URL on the command line is deliberate, wherever it leads: no guard, no egress proxy.
        direct = {"webhook_allow_private_networks": True, "webhook_proxy_url": SecretStr("")}
        self._sender = Sender(settings.model_copy(update=direct), verify_tls=not insecure)
        self._settings = settings
        self._url = url
        self._secrets = Secrets(secret)
        self._as_json = as_json
        self._known: OrderedDict[str, tuple[Envelope, int]] = OrderedDict()

    async def open(self) -> None:
        await self._sender.open()

    async def close(self) -> None:
        await self._sender.close()

    def is_known(self, event_id: str) -> bool:
        """True if it was sent before: an event can be on the log twice."""
        return event_id in self._known

    async def forward(self, event: Envelope) -> bool:
        """Send and print. True if the response was 2xx. An event without a payload is one line, and is skipped."""
        try:
            read = any_event_of(event)
        except UndecodableError as error:
            self._print_skipped(event, error)
            return False
        body = event_webhook_body(read)
        if MARK in body:
            body = await self._opened(body)
        attempts = self._known.get(event.id, (event, 0))[1] + 1
        self._known[event.id] = (event, attempts)
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        if self._url is None:
            self._print_payload(event, body)
            return True
        due = Due(uuid.uuid4(), LISTENER, event.key, attempts)
        prepared = Prepared(
            due=due,
            event_id=event.id,
            payment_id=read.payment.id if isinstance(read, PaymentRecord) else None,
            url=self._url,
            body=body,
            secrets=self._secrets,
            schedule_from=0,
            replay=attempts > 1,
        )
        sent = await self._sender.send(prepared)
        self._print(event, sent)
        return sent.response is not None and 200 <= sent.response.code < 300

    async def again(self, text: str) -> None:
        """The developer's input: `r` for the last event, or an event id."""
        chosen = next(reversed(self._known), None) if text == "r" else text
        if chosen is None or chosen not in self._known:
            console.print(f"not sent yet: {text}" if text != "r" else "nothing was sent yet", markup=False)
            return
        await self.forward(self._known[chosen][0])

    async def _opened(self, body: bytes) -> bytes:
        """As the dispatcher opens it. Raises the database's errors."""
        pool = await make_pool(self._settings, size=1)
        try:
            return await OrderKeys.of(pool, self._settings).opened(body)
        finally:
            await pool.close()

    def _print(self, event: Envelope, sent: Sent) -> None:
        response = sent.error if sent.response is None else f"{sent.response.code}"
        if self._as_json:
            attempt = sent.prepared.due.attempt
            body = None if sent.response is None else sent.response.text
            print_json_line({"event": event.type, "id": event.id, "answer": response, "attempt": attempt, "body": body})
            return
        ok = sent.response is not None and 200 <= sent.response.code < 300
        line = Text(f"{sent.at:%H:%M:%S}  ")
        line.append(f"{event.type:<20}", style=style_of(event.type))
        line.append(f" {printable(event.id)}  ")
        line.append(f"{response} in {sent.duration_ms} ms", style="green" if ok else "red")
        if sent.response is not None and sent.response.text:
            line.append(f"\n          {printable(sent.response.text)}", style="dim")
        console.print(line)

    def _print_payload(self, event: Envelope, body: bytes) -> None:
        if self._as_json:
            print_json_line({"event": event.type, "id": event.id, "payload": orjson.loads(body)})
            return
        line = Text(f"{event.at:%H:%M:%S}  ").append(f"{event.type:<20}", style=style_of(event.type))
        console.print(line.append(f" {printable(event.id)}\n{printable(body.decode())}"))

    def _print_skipped(self, event: Envelope, error: UndecodableError) -> None:
        why = f"not a payload for merchants ({error})"
        if self._as_json:
            print_json_line({"event": event.type, "id": event.id, "skipped": why})
        else:
            console.print(Text(f"{printable(event.id)} skipped: {printable(why)}", style="red"))


def listen(
    forward_to: Annotated[
        str | None,
        typer.Option("--forward-to", help="URL to POST to, such as http://localhost:4000/webhooks; default: print."),
    ] = None,
    start: Annotated[str, typer.Option("--from", help="now, 10m ago, or an instant.")] = "now",
    event: Annotated[
        list[str] | None, typer.Option(help="Only these events; default: all events for merchants.")
    ] = None,
    merchant: Annotated[str | None, typer.Option(help="Only this merchant's events.")] = None,
    secret: Annotated[str | None, typer.Option(help="Sign with this secret (whsec_…); default: a new one.")] = None,
    resend: Annotated[str | None, typer.Option(help="Send this one event (evt_…) and exit.")] = None,
    maximum: Annotated[int, typer.Option("--max", min=0, help="Exit after this many events; 0: keep running.")] = 0,
    insecure: Annotated[bool, typer.Option("--insecure", help="Accept a self-signed certificate.")] = False,
    as_json: Json = False,
) -> None:
    """Forward signed webhooks to localhost, or print their payloads. Exit code 1: the resent event was not accepted."""
    if forward_to is not None and not forward_to.startswith(("http://", "https://")):
        raise UsageError(f"{forward_to!r} is not an http or https URL, such as http://localhost:3000/webhooks.")
    chosen = _chosen(event or [])
    signing = new_secret(token_bytes(SECRET_BYTES)) if secret is None else secret
    if not is_secret(signing):
        raise UsageError(
            f"The secret must be {SECRET_PREFIX} followed by the base64 of at least {SECRET_BYTES_MIN} bytes."
        )
    since = now() if start == "now" else parse_instant(start)

    async def work(settings: Settings) -> bool:
        forwarder = Forwarder(settings, forward_to, signing, insecure=insecure, as_json=as_json)
        await forwarder.open()
        try:
            if resend is not None:
                return await forwarder.forward(await _recorded(settings, resend))
            if not as_json:
                if forward_to is not None:
                    console.print(f"signing secret {signing}\nforwarding to {forward_to}", markup=False)
                console.print("Ctrl-C ends")
            await _forward_all(settings, forwarder, chosen, merchant, since, maximum)
            return True
        finally:
            await forwarder.close()

    if not run(work):
        raise typer.Exit(FOUND)


def _chosen(events: list[str]) -> frozenset[str]:
    unknown = [name for name in events if name not in MERCHANT_EVENTS]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is not an event for merchants; those are {', '.join(MERCHANT_EVENTS)}.")
    return frozenset(events or MERCHANT_EVENTS)


async def _recorded(settings: Settings, event_id: str) -> Envelope:
    """An event from the database, however old."""
    parsed = parse_event_id(event_id)
    if parsed is None:
        raise UsageError(f"{event_id!r} is not a valid event id; they look like evt_0123456789abcdef_4.")
    order_id, sequence = parsed
    pool = await make_pool(settings, size=1)
    try:
        found = await events_of(pool, order_id, after=sequence - 1)
    finally:
        await pool.close()
    if not found or found[0].sequence != sequence:
        raise UsageError(f"There is no event {event_id!r}; `gateway topics tail events` shows the newest.")
    if found[0].type not in MERCHANT_EVENTS:
        raise UsageError(f"{event_id} is {found[0].type}, which is not sent to merchants.")
    return decode(orjson.dumps(found[0].record))


async def _forward_all(
    settings: Settings,
    forwarder: Forwarder,
    chosen: frozenset[str],
    merchant: str | None,
    since: datetime,
    maximum: int,
) -> None:
    typed = asyncio.create_task(_listen_to_keyboard(forwarder))
    count = 0
    try:
        async with log_reader(settings) as reader:
            spans = await reader.spans(await reader.partitions([EVENTS]), Start(since=since))
            async for record in reader.followed(spans):
                event = record.envelope
                if event is None or event.type not in chosen or forwarder.is_known(event.id):
                    continue
                if merchant is not None and event.body.get("merchant_id") != merchant:
                    continue
                await forwarder.forward(event)
                count += 1
                if count == maximum:
                    return
    finally:
        typed.cancel()


async def _listen_to_keyboard(forwarder: Forwarder) -> None:
    """Lines typed on a terminal; none without a terminal."""
    if not sys.stdin.isatty():
        return
    lines: asyncio.Queue[str] = asyncio.Queue(100)
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, _read_line, lines)
    try:
        while True:
            text = (await lines.get()).strip()
            if text:
                await forwarder.again(text)
    finally:
        loop.remove_reader(sys.stdin)


def _read_line(lines: Any) -> None:
    line = sys.stdin.readline()
    if line and not lines.full():
        lines.put_nowait(line)
