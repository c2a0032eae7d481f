"""`gateway dlq`: inspect dead letters, replay them, or record that they need no further action.

Without --apply, `replay` only prints what it would do. Every replay, discard and reopening is an audit row with who and
why.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import orjson
import typer

from ops.console.exit_codes import FOUND, UsageError
from ops.console.mask import masked, masked_bytes, masked_text
from ops.console.names import named_topic, parse_instant
from ops.console.noted import note_command, operator
from ops.console.output import Json, Unmask, console, print_json, print_json_line, print_table
from ops.console.pools import run_with_pool
from ops.dead_letters.letters import Letter, Selection, histogram, letters
from ops.dead_letters.replayer import Refusal, Replayer, Sent, refusal_of, remembered_since, since_then
from ops.log.schemas import RecordKind, sample_of
from runtime.clock import random_token
from runtime.settings import Settings
from store.driver import Pool
from store.operations.dead_letters import DISCARDED, begin_replay, discard, find_replay, history_of, reopen
from topics.catalogue import PAYMENTS_DLQ, WEBHOOKS_DLQ
from topics.envelope import read_json

DEAD_LETTER_TOPICS = (PAYMENTS_DLQ, WEBHOOKS_DLQ)

dlq = typer.Typer(help="List, inspect, replay or discard dead letters.", no_args_is_help=True)

Topic = Annotated[str | None, typer.Option("--topic", help="payments.dlq or webhooks.dlq; default: both.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Only letters with this reason.")]
Since = Annotated[str | None, typer.Option("--since", help="Only letters since 10m, 2h ago or an instant.")]


def _selection(
    settings: Settings,
    *,
    topic: str | None,
    reason: str | None,
    since: str | None,
    ids: Sequence[str] = (),
    handled_too: bool = False,
) -> Selection:
    topics = DEAD_LETTER_TOPICS if topic is None else (named_topic(topic, settings).name,)
    if topics[0] not in DEAD_LETTER_TOPICS:
        raise UsageError(f"{topics[0]} is not a dead-letter topic; those are {' and '.join(DEAD_LETTER_TOPICS)}.")
    return Selection(
        topics=topics,
        ids=frozenset(ids),
        reason=reason,
        since=parse_instant(since) if since else None,
        handled_too=handled_too,
    )


@dlq.command("ls")
def ls(
    topic: Topic = None,
    reason: Reason = None,
    since: Since = None,
    handled_too: Annotated[bool, typer.Option("--all", help="Include replayed and discarded letters.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Number of letters, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """Count dead letters by reason and list them. Exit code 1: some are open."""

    async def work(settings: Settings, pool: Pool) -> list[Letter]:
        selection = _selection(settings, topic=topic, reason=reason, since=since, handled_too=handled_too)
        return await letters(settings, pool, selection)

    found = run_with_pool(work)
    if as_json:
        counts = [{"topic": key[0], "reason": key[1], "state": key[2], "count": n} for key, n in histogram(found)]
        print_json({"histogram": counts, "letters": [_summary(letter) for letter in found[-limit:]]})
    else:
        _print_letters(found, limit)
    if any(letter.action is None for letter in found):
        raise typer.Exit(FOUND)


def _print_letters(found: Sequence[Letter], limit: int) -> None:
    if not found:
        console.print("no dead letters")
        return
    rows = [(*key, f"{count:,}", "█" * min(40, count)) for key, count in histogram(found)]
    print_table(("topic", "reason", "state", "letters", ""), rows, right=("letters",))
    console.print("")
    shown = [
        (letter.id, f"{letter.at:%m-%d %H:%M:%S}", letter.reason, letter.state, masked_text(letter.error)[:80])
        for letter in found[-limit:]
    ]
    print_table(("letter", "at", "reason", "state", "error"), shown)


def _summary(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "place": letter.place,
        "at": letter.at,
        "type": letter.type,
        "reason": letter.reason,
        "error": masked_text(letter.error),
        "origin": letter.body["origin"],
        "state": letter.state,
        "times_replayed": letter.times_replayed,
    }


async def _letter(settings: Settings, pool: Pool, letter_id: str) -> Letter:
    selection = Selection(topics=DEAD_LETTER_TOPICS, ids=frozenset({letter_id}), handled_too=True)
    found = await letters(settings, pool, selection)
    if not found:
        raise UsageError(f"There is no dead letter {letter_id!r}; see `gateway dlq ls --all`.")
    return found[0]


@dlq.command("show")
def show(
    letter_id: Annotated[str, typer.Argument(help="Id of a letter, as `dlq ls` prints it.")],
    unmask: Unmask = False,
    as_json: Json = False,
) -> None:
    """Show one letter: why, where from, its record, and what happened since."""

    async def work(settings: Settings, pool: Pool) -> dict[str, Any]:
        letter = await _letter(settings, pool, letter_id)
        return {
            **_summary(letter),
            "headers": {name: _header(content) for name, content in letter.headers},
            "header_list": [{"name": name, "value": _header(content)} for name, content in letter.headers],
            "cut": letter.cut,
            "value_bytes": letter.body.get("value_bytes", len(letter.value or b"")),
            "record": _readable(letter.value, unmask=unmask),
            "trace": letter.body["trace"],
            "since_then": await since_then(pool, letter),
            "actions": await history_of(pool, letter.id),
        }

    shown = run_with_pool(work)
    shown = shown if unmask else masked(shown)
    if as_json:
        print_json(shown)
        return
    for name, value in shown.items():
        text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
        console.print(f"{name:<15} {text}", markup=False)


def _header(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "backslashreplace")


def _readable(value: bytes | None, *, unmask: bool) -> Any:
    if value is None:
        return None
    try:
        return read_json(value)
    except (ValueError, TypeError):
        return {"hex": (value if unmask else masked_bytes(value)).hex(" ")}


@dlq.command("diff")
def diff(
    letter_id: Annotated[str, typer.Argument(help="Id of a letter.")],
    unmask: Unmask = False,
    as_json: Json = False,
) -> None:
    """Compare a letter's record with the golden sample of its type, and print its schema errors."""

    async def work(settings: Settings, pool: Pool) -> tuple[Letter, str]:
        letter = await _letter(settings, pool, letter_id)
        return letter, await since_then(pool, letter)

    letter, since = run_with_pool(work)
    record = _readable(letter.value, unmask=unmask)
    is_record = isinstance(record, dict) and "hex" not in record
    record_type = str(record.get("type")) if is_record else letter.header("type") or "?"
    problems = RecordKind.problems_of(record) if is_record else ["the value is not a JSON object"]
    shape = _shape_diff(record_type, record if unmask else masked(record))
    if as_json:
        print_json({"id": letter.id, "type": record_type, "problems": problems, "since_then": since, "diff": shape})
        return
    console.print(f"{letter.id}: {record_type}; {since}", markup=False)
    for problem in problems or ["its schema accepts it"]:
        console.print(f"  {problem}", markup=False)
    for line in shape:
        console.print(line, markup=False, style="green" if line[0] == "+" else "red" if line[0] == "-" else "dim")


def _shape_diff(record_type: str, record: Any) -> list[str]:
    """Lines of a unified diff between the names and kinds of values of a golden sample and of this record."""
    try:
        sample = sample_of(record_type)
    except OSError:
        return []
    lines = difflib.unified_diff(_shape(sample), _shape(record), "golden sample", "dead letter", lineterm="", n=1)
    return list(lines)


def _shape(value: Any, path: str = "") -> list[str]:
    if isinstance(value, dict):
        return [line for name in sorted(value) for line in _shape(value[name], f"{path}.{name}".lstrip("."))]
    return [f"{path}: {type(value).__name__}"]


@dlq.command("replay")
def replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of letters; default: all open ones selected.")] = None,
    topic: Topic = None,
    reason: Reason = None,
    since: Since = None,
    maximum: Annotated[int, typer.Option("--max", min=1, max=100_000, help="Maximum number of letters.")] = 100,
    rate: Annotated[float, typer.Option(min=0.1, max=1_000, help="Letters per second.")] = 20.0,
    apply: Annotated[bool, typer.Option("--apply", help="Make the changes; without it, only show them.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Include returned, undecodable and old letters.")] = False,
    resume: Annotated[str | None, typer.Option(help="Continue an interrupted replay (rpl_…).")] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Send dead letters back to their topics. Dry run unless --apply. Exit code 1: some were refused."""

    async def work(settings: Settings, pool: Pool) -> bool:
        if resume is not None:
            chosen, replay_id = await _resumed(settings, pool, resume)
        else:
            selection = _selection(settings, topic=topic, reason=reason, since=since, ids=ids or ())
            chosen, replay_id = (await letters(settings, pool, selection))[:maximum], f"rpl_{random_token()[:16]}"
            _refuse_unknown(ids or (), chosen)
        if resume is None and not apply:
            return _print_plan(chosen, force=force, since=remembered_since(settings), as_json=as_json)
        details = {"replay": replay_id, "letters": [letter.id for letter in chosen], "force": force}
        await note_command(settings, "dlq replay", details, pool)
        if resume is None and chosen:
            await begin_replay(pool, replay_id, topic or "both", [letter.id for letter in chosen], operator())
        return await _send(settings, pool, replay_id, chosen, rate=rate, force=force, as_json=as_json)

    if run_with_pool(work):
        raise typer.Exit(FOUND)


def _refuse_unknown(ids: Sequence[str], chosen: Sequence[Letter]) -> None:
    missing = set(ids) - {letter.id for letter in chosen}
    if missing:
        raise UsageError(f"No open dead letter {', '.join(sorted(missing))}; see `gateway dlq ls --all`.")


async def _resumed(settings: Settings, pool: Pool, replay_id: str) -> tuple[list[Letter], str]:
    known = await find_replay(pool, replay_id)
    if known is None:
        raise UsageError(f"There is no replay {replay_id!r}; `gateway dlq replay --apply` prints the id of its replay.")
    selection = Selection(topics=DEAD_LETTER_TOPICS, ids=frozenset(known.letters), handled_too=True)
    by_id = {letter.id: letter for letter in await letters(settings, pool, selection)}
    return [by_id[letter_id] for letter_id in known.letters if letter_id in by_id], known.id


def _print_plan(chosen: Sequence[Letter], *, force: bool, since: datetime, as_json: bool) -> bool:
    """The dry run. True if some would be refused."""
    refused = False
    for letter in chosen:
        refusal = refusal_of(letter, force=force, since=since)
        refused = refused or refusal is not None
        if as_json:
            print_json_line({"id": letter.id, "to": letter.origin_topic, "refused": refusal.why if refusal else None})
            continue
        text = f"refused: {refusal.why}" if refusal else f"would go to {letter.origin_topic}"
        console.print(f"{letter.id}  {text}", markup=False)
    if not as_json:
        console.print(f"{len(chosen)} letters; nothing was sent. Add --apply to send.")
    return refused


async def _send(
    settings: Settings,
    pool: Pool,
    replay_id: str,
    chosen: Sequence[Letter],
    *,
    rate: float,
    force: bool,
    as_json: bool,
) -> bool:
    """True if some were refused."""
    if not chosen:
        console.print("no open dead letters")
        return False
    if not as_json:
        console.print(
            f"replay {replay_id}, {len(chosen)} letters; after a crash: gateway dlq replay --resume {replay_id}"
        )
    sent = refused = 0
    async for result in Replayer(settings, pool, replay_id, rate=rate, actor=operator()).run(chosen, force=force):
        sent += isinstance(result, Sent)
        refused += isinstance(result, Refusal)
        _print_result(replay_id, result, as_json=as_json)
    if not as_json:
        console.print(f"{sent} sent, {refused} refused, {len(chosen) - sent - refused} sent before")
    return refused > 0


def _print_result(replay_id: str, result: Sent | Refusal, *, as_json: bool) -> None:
    place = result.place if isinstance(result, Sent) else None
    why = result.why if isinstance(result, Refusal) else None
    if as_json:
        print_json_line({"replay": replay_id, "id": result.letter.id, "sent_to": place, "refused": why})
    else:
        console.print(f"{result.letter.id}  {f'sent to {place}' if place else f'refused: {why}'}", markup=False)


@dlq.command("discard")
def discard_letters(
    ids: Annotated[list[str], typer.Argument(help="Ids of letters that need no further action.")],
    reason: Annotated[str, typer.Option("--reason", help="The reason; it is stored.")],
    as_json: Json = False,
) -> None:
    """Discard letters that need no further action. They stay on the log."""
    if not reason.strip():
        raise UsageError("A discard needs a reason; give it with --reason.")

    async def work(settings: Settings, pool: Pool) -> list[str]:
        chosen = await letters(settings, pool, Selection(topics=DEAD_LETTER_TOPICS, ids=frozenset(ids)))
        _refuse_unknown(ids, chosen)
        await note_command(settings, "dlq discard", {"letters": list(ids), "reason": reason.strip()}, pool)
        for letter in chosen:
            await discard(pool, letter.id, letter.topic, reason=reason.strip(), actor=operator())
        return [letter.id for letter in chosen]

    done = run_with_pool(work)
    if as_json:
        print_json({"discarded": done})
    else:
        console.print(f"{len(done)} discarded")


@dlq.command("reopen")
def reopen_letters(
    ids: Annotated[list[str], typer.Argument(help="Discarded letters.")],
    reason: Annotated[str, typer.Option("--reason", help="The reason; it is stored.")],
    as_json: Json = False,
) -> None:
    """Undo a discard: the letters are open again and can be replayed. Their history keeps both actions."""
    if not reason.strip():
        raise UsageError("Reopening needs a reason; give it with --reason.")

    async def work(settings: Settings, pool: Pool) -> list[str]:
        selection = Selection(topics=DEAD_LETTER_TOPICS, ids=frozenset(ids), handled_too=True)
        chosen = [letter for letter in await letters(settings, pool, selection) if letter.action == DISCARDED]
        missing = set(ids) - {letter.id for letter in chosen}
        if missing:
            raise UsageError(f"Not discarded: {', '.join(sorted(missing))}; see `gateway dlq ls --all`.")
        await note_command(settings, "dlq reopen", {"letters": list(ids), "reason": reason.strip()}, pool)
        for letter in chosen:
            await reopen(pool, letter.id, letter.topic, reason=reason.strip(), actor=operator())
        return [letter.id for letter in chosen]

    done = run_with_pool(work)
    if as_json:
        print_json({"reopened": done})
    else:
        console.print(f"{len(done)} reopened")
