"""Phrases and names that must not come back, each with the better wording.

Phrases are searched in the texts that people read: docs/openapi.json, the help of every command, the visible strings of
the pages, the documents, the alerts. Words are searched in every name of the product's code, in Python and TypeScript.
The vocabulary is in CONTRIBUTING.md, Glossary.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer import Context
from typer.core import TyperCommand

from ops.cli import COMMANDS, LazyGroup

ROOT = Path(__file__).parents[2]
PAGES = ("dashboard/src", "checkout-page/src", "sdk/src")
DOCUMENTS = (
    "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("docs/*.md"), *ROOT.glob("docs/reference/*.md"))),
)  # fmt: skip
"""Decision records keep the words of their day."""
ALERTS = ROOT / "monitoring" / "alerts.yml"

BETTER: dict[str, str] = {
    r"\b(?:is|are) (?:told of|told about)\b": "receives, is notified of",
    r"\bspans? of (?:events|time)\b": "a period; replay events from a period",
    r"\b(?:of|a|the|in) spans?\b(?! of a trace)": "a period",
    r"\bthe numbers of\b": "totals for",
    r"\bis left out stays\b": "omitted fields are unchanged",
    r"\bkey ending so\b|\bcard ending so\b": "a card's last digits",
    r"\bno longer only\b": "remove filter",
    r"\basked for\b(?! by)": "requested",
    r"\bgoes? on by itself\b": "continues automatically",
    r"\bMend:": "Fix:",
    r"\bsign of life\b": "a heartbeat",
    r"\bis at work\b": "is already running",
    r"'?\bis no (?!longer\b)[a-z]+ (?:id|expression|filter|event|object|topic|header)\b": "'x' is not a valid …",
    r"\bhas not the form\b": "is not a valid …",
    r"\b(?:a|some) parts? does not answer\b": "a service is unavailable",
    r"\bthe secret of before\b|\bthe one of before\b|\bthe page before\b": "the previous …",
    r"\bthis one time\b|\bshown this once\b": "only once",
    r"\bis for people\b|; for people\b": "an operator must step in",
    r"\bmoney is away\b": "the money has not been returned",
    r"\bthe same fate\b": "the same result",
    r"\bonly say what\b|\bonly say how\b": "only show …, only count …",
    r"\bgone to who\b|\bto who watches\b": "to anyone watching",
    r"\btime-outs?\b": "timeout",
    r"\bkeys come at once\b": "you get API keys right away",
    r"\bwithout a hand\b": "unattended",
    r"\btakes it \d": "takes …",
    r"\bsent in vain\b|\bpay in vain\b": "failed",
    r"\bas they come\b": "in any order",
    r"\b(?:is|are|was|were) told\b(?! (?:apart|in order))": "receives, gets",
    r"\bnot knowing\b": "without noticing",
    r"\bcured\b": "fixed",
    r"\bof before\b": "the previous …",
    r"\bstands? still\b": "has stopped, freezes",
    r"\b(?:goes back|refunded|captured|captures) by itself\b": "automatically",
    r"\ball the same\.$|\bcome all the same\b": "are sent anyway",
    r"\bsays? so once\b": "logs this once",
    r"\bnobody knows what\b": "… is unknown",
    r"\berrors of ours\b": "5xx errors",
    r"\bhundredth of the\b": "1 % of …",
    r"\bnot where it belongs\b": "is owed, was not returned",
    r"\b(?:says|say) so\b(?! once)": "logs this, with the reason",
    r"\bin vain\b": "failed, without effect",
    r"\bchange[sd]? (?:its|their) words?\b|\btak(?:es?|en) words back\b": "reverses an outcome",
    r"\bwords? of the bank\b|\bthe bank's (?:last )?words?\b": "settlement, decision, response",
    r"\bwhat is known of a payer\b": "a payer's personal data",
    r"\b(?:payments?|requests?|orders?) (?:is|are|was|were) answered\b": "gets, returns",
    r"\bparts? (?:that is|that are|is|are) (?:away|down)\b": "a service is unavailable",
    r"\bwith a sentence\b": "with an explanation, with a clear error",
    r"\bit is asked\b|\bthe bank is (?:being )?asked\b": "the gateway queries the bank",
    r"\b(?:is|are) switched (?:on|off)\b|\bswitched it off\b": "is disabled, is enabled",
}
"""Pattern of a phrase → what to write instead. Matched without regard to case."""
IN_CODE: dict[str, str] = {
    r"\bstands? on (?:the|a) (?:log|topic)\b": "is on the log",
    r"\b(?:database|log|broker|bank|redis|postgresql|api|collector|service|part|store|surroundings)s? "
    r"(?:is|are|stays?) away\b": "is unavailable",
    r"\bsurroundings\b": "the environment, the services",
    r"\ball the same\b": "still, anyway",
    r"\bwho asks\b|\bwhoever asks\b|\bwhom? (?:it|they) asks?\b": "the caller, the client",
    r"\bnobody (?:waits|reads|needs|answers|knows|asks|wants)\b": "no request waits, is unused, is unknown",
    r"\bthe bank's (?:first |last )?words?\b|\bwords? of the bank\b": "report, outcome",
    r"\bchange[sd]? (?:its|their) word\b|\btakes? (?:its|their) word back\b": "reverses the outcome",
    r"\bfor ever\b": "permanently, without end, without limit",
    r"\bwhat (?:came|comes) of (?:it|them|all)\b|\bwhat .{0,30}\bcame to\b": "the result",
    r"\bat work\b": "running",
    r"\bdo(?:es)? no harm\b": "may run, is harmless",
    r"\btime-outs?\b": "timeout",
    r"\blook-ups?\b(?! LOOK)": "lookup",
    r"\b(?:as|what) (?:it|they) stands?\b": "current, unchanged",
    r"\b(?:answers|answered) (?:404|403|503|409|422|2xx)\b": "returns",
    r"\bgives? no answer\b|\bno answer comes\b": "does not respond",
    r"\bby one's own\b|\bof one's own\b": "the user's own",
    r"\bwithout a word\b": "silently",
    r"\bin silence\b": "silently",
    r"\b(?:none|true|false|\w+error) where\b": "if",
}
"""Phrases of docstrings and comments, beside those of BETTER."""
TECHNICAL = (r"\bthe numbers of\b", r"\bspans? of (?:events|time)\b", r"\b(?:of|a|the|in) spans?\b(?! of a trace)")
"""Phrases of BETTER that have a technical meaning in code: a range of offsets, a span of a trace, a card's numbers."""
OF_CODE = {pattern: better for pattern, better in BETTER.items() if pattern not in TECHNICAL} | IN_CODE
VISIBLE = re.compile(
    r'"([^"\n]* [^"\n]*)"|`([^`]* [^`]*)`|>([^<>{}]*[a-z] [^<>{}]*)<|^ +([A-Z][^<>{}=;]*[a-z] [^<>{}=;]*)$',
    re.MULTILINE,
)
"""Texts of a TypeScript file: in quotes, between tags, on lines of their own."""
COMMENT = re.compile(r"/\*.*?\*/|(?<!:)//[^\n]*", re.DOTALL)

NOT_PROSE = re.compile(r"^## Glossary$.*?(?=^## )|<!-- endpoints -->.*?<!-- /endpoints -->", re.MULTILINE | re.DOTALL)
"""The glossary names what not to write. A table of endpoints repeats the API's own texts."""


def found_in(text: str, phrases: Mapping[str, str] = BETTER) -> list[str]:
    flat = " ".join(text.split())
    return [
        f"{flat[max(0, hit.start() - 30) : hit.end() + 30]!r}: write {better!r}"
        for pattern, better in phrases.items()
        for hit in re.finditer(pattern, flat, re.IGNORECASE)
    ]


def _texts_of_the_api(node: Any) -> Iterator[str]:
    match node:
        case dict():
            for name, value in node.items():
                if name in ("summary", "description") and isinstance(value, str):
                    yield value
                else:
                    yield from _texts_of_the_api(value)
        case list():
            for value in node:
                yield from _texts_of_the_api(value)


def _helps(command: Any) -> Iterator[str]:
    """The help of a command, of its parameters and of its sub-commands. Typer brings a click of its own: no types."""
    yield command.help or ""
    yield from filter(None, (getattr(parameter, "help", None) for parameter in command.params))
    for child in getattr(command, "commands", {}).values():
        yield from _helps(child)


def test_the_api_describes_itself_without_them() -> None:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    texts = list(_texts_of_the_api(document))

    assert len(texts) > 200
    assert [bad for text in texts for bad in found_in(text)] == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_of_a_command_is_without_them(name: str) -> None:
    texts = [
        COMMANDS[name].summary,
        *_helps(LazyGroup(name="gateway").get_command(Context(TyperCommand("gateway")), name)),
    ]

    assert len("".join(texts)) > len(texts[0]) + 20
    assert [bad for text in texts for bad in found_in(text)] == []


@pytest.mark.parametrize("folder", PAGES)
def test_the_pages_show_texts_without_them(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*.ts*") if ".test." not in path.name]
    texts = [
        (path, next(filter(None, hit.groups())))
        for path in files
        for hit in VISIBLE.finditer(COMMENT.sub("", path.read_text(encoding="utf-8")))
        if any(hit.groups())
    ]

    assert len(texts) > 10
    assert [f"{path.relative_to(ROOT)}: {bad}" for path, text in texts for bad in found_in(text)] == []


def test_the_alerts_are_without_them() -> None:
    texts = [
        rule["annotations"]["summary"]
        for rule in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]
    ]

    assert len(texts) > 10
    assert [bad for text in texts for bad in found_in(text)] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_without_them(name: str) -> None:
    text = NOT_PROSE.sub("", (ROOT / name).read_text(encoding="utf-8"))

    assert found_in(text) == []


BETTER_NAMES: dict[str, str] = {
    "answer": "response, result, reply", "answers": "responses, results", "answered": "decided, responded",
    "answering": "responding", "unanswered": "undecided, silent",
    "ask": "submit, request, query", "asks": "request", "asked": "received, requested", "asker": "client, requester",
    "asking": "requesting",
    "aside": "skipped", "asides": "skipped",
    "fate": "result", "hear": "listen, receive", "heard": "received",
    "mend": "fix, repair", "mended": "fixed, repaired",
    "patience": "timeout, wait",
    "said": "message, reported, output", "say": "report", "saying": "reporting", "says": "message, summary",
    "unsaid": "omitted",
    "tell": "notify, report, deliver", "tells": "notifies", "told": "notified, reported",
    "wanted": "filters, body, expected", "wanting": "subscribed", "wants": "is_subscribed",
}  # fmt: skip
"""Word of a name, split at underscores and capitals -> what to write instead."""
ROOMS = ("agents", "api", "bench", "domain", "ops", "pages", "runtime", "simulation", "store", "topics")
FIXED_NAMES: dict[str, set[str]] = {
    "api/answers/": {"answers"},  # the folder
    "api/schemas/events.py": {"times_asked"},  # a field of the API
    "domain/question.py": {"asked", "answered"},  # columns
    "ops/erasure/": {"answers"},  # a field of `gateway erase --json`
    "ops/stack/logs.py": {"tell"},  # of every file in Python
    "ops/health/": {"log_answers", "redis_answers", "says"},  # fields of --json
    "web-shared/wire.gen.ts": {"times_asked"},
    "simulation/questions.py": {"asked", "answered"},
    "store/questions.py": {"asked", "answered"},
    "agents/processor/": {"answered"},  # a fact of the heartbeat
    "agents/sweeper/": {"asked"},  # a field of a log line, and the column
}
"""Beginning of a path -> names that something outside the code reads."""
NAME = re.compile(r"[A-Za-z_$][\w$]*")
DECLARED = re.compile(
    r"\b(?:const|let|function|class|interface|type|enum)\s+([A-Za-z_$][\w$]*)"
    r"|[(,{;\n]\s*(?:readonly )?([A-Za-z_$][\w$]*)\??:"
)
"""Of TypeScript: what is declared by a keyword, parameters and fields."""


def bad_names(path: str, names: Iterable[str]) -> list[str]:
    fixed = set().union(*(allowed for begin, allowed in FIXED_NAMES.items() if path.startswith(begin)))
    return [
        f"{path}: {name}: write {BETTER_NAMES[word]!r}"
        for name in sorted(set(names) - fixed)
        for word in words_of(name)
        if word in BETTER_NAMES
    ]


def words_of(name: str) -> list[str]:
    """`lastSeen_at` -> last, seen, at."""
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower().split("_")


def names_in(source: str) -> Iterator[str]:
    """Whatever a module names, or calls by a name: definitions, variables, arguments, attributes, modules."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.ClassDef(name=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.keyword(arg=str(name)) | ast.alias(asname=str(name)):
                yield name


@pytest.mark.parametrize("room", ROOMS)
def test_the_code_names_things_without_them(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    found = []
    for file in files:
        path = file.relative_to(ROOT).as_posix()
        found += bad_names(path, [*names_in(file.read_text(encoding="utf-8")), file.stem, *file.parent.parts[-1:]])
    assert len(files) > 5
    assert found == []


@pytest.mark.parametrize("folder", [*PAGES, "web-shared", "api-reference/src"])
def test_the_typescript_names_things_without_them(folder: str) -> None:
    found = []
    for file in sorted((ROOT / folder).rglob("*.ts*")):
        code = COMMENT.sub("", file.read_text(encoding="utf-8"))
        names = [keyword or field for keyword, field in DECLARED.findall(code)]
        found += bad_names(file.relative_to(ROOT).as_posix(), [*names, *file.name.split(".")[0].split("-")])
    assert found == []


def prose_in(source: str) -> Iterator[str]:
    """Docstrings, and comments with the lines that continue them."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield text
    lines = [
        (token.start[0], token.string.lstrip("# "))
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    for number, (line, text) in enumerate(lines):
        follows = number + 1 < len(lines) and lines[number + 1][0] == line + 1
        yield f"{text} {lines[number + 1][1]}" if follows else text


@pytest.mark.parametrize("room", ROOMS)
def test_docstrings_and_comments_are_without_them(room: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}: {bad}"
        for file in sorted((ROOT / room).rglob("*.py"))
        for text in prose_in(file.read_text(encoding="utf-8"))
        for bad in found_in(text, OF_CODE)
    ]

    assert found == []


@pytest.mark.parametrize("folder", [*PAGES, "web-shared", "api-reference/src"])
def test_the_comments_of_typescript_are_without_them(folder: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}: {bad}"
        for file in sorted((ROOT / folder).rglob("*.ts*"))
        for hit in COMMENT.finditer(file.read_text(encoding="utf-8"))
        for bad in found_in(re.sub(r"\n\s*\* ?", " ", hit.group()), OF_CODE)
    ]

    assert found == []


def test_a_phrase_is_found_across_the_lines_of_a_docstring_and_of_a_comment() -> None:
    source = 'def sent() -> None:\n    """Read what the database\n    is away for."""\n# all the\n# same\n'

    assert len([bad for text in prose_in(source) for bad in found_in(text, IN_CODE)]) == 2


def test_every_exception_among_the_names_is_still_needed() -> None:
    unused = []
    for begin, names in FIXED_NAMES.items():
        files = [ROOT / begin] if (ROOT / begin).is_file() else sorted((ROOT / begin).rglob("*.py"))
        there = {name for file in files for name in NAME.findall(file.read_text(encoding="utf-8"))}
        there |= {Path(begin).name}
        unused += [f"{begin}: {name}" for name in sorted(names - there)]
    assert unused == []
