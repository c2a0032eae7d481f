"""The documents match the tree: links lead somewhere, named files exist, tables match."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from agents.bank.simulated import parse_faults
from ops.cli import COMMANDS
from ops.endpoint_table import with_table
from tests.simulation.mutations.__main__ import BEGIN, END, HEAD

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
RUN_BY = {
    "run": "tests/e2e/test_snippets.py",
    "look": "tests/chaos/test_runbook.py",
    "fix": "tests/chaos/test_runbook.py",
    "drill": "tests/chaos/test_recovery_drill.py",
    "grow": "tests/e2e/test_growth.py",
    "check": "tests/unit/test_way_back.py",
    "receiver": "tests/e2e/webhooks/test_webhooks_document.py",
    "program": "tests/e2e/razorpay/test_unmodified.py",
}
"""Second word after the fence of a code block -> the test that runs such blocks. `shown`: nothing runs it."""
MAP_ROW = re.compile(r"^\| `([a-z /-]+/)` \|", re.MULTILINE)
TARGET = re.compile(r"^([a-z-]+):.*## ", re.MULTILINE)
MAKE = re.compile(r"(?:`|^)make ([a-z]+(?:-[a-z]+)*)\b", re.MULTILINE)
GATEWAY = re.compile(r"(?:`|^)(?:\.venv/bin/)?gateway ([a-z]+)\b", re.MULTILINE)
FENCE = re.compile(r"^```(.*)$", re.MULTILINE)
FOLDERS = (
    "agents|api|bench|checkout-page|dashboard|docs|domain|monitoring|ops|pages|runtime|sdk|simulation|"
    "store|tests|topics"
)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
NAMED = re.compile(rf"`((?:{FOLDERS})/[\w./*-]+)`")
BARE = re.compile(r"(?<![\w/`(])(docs/[\w/-]+\.(?:md|json))")
BANK_FAULTS = re.compile(r"(?:[a-z]+=0\.\d+,)+[a-z]+=0\.\d+")
RULE_IN_A_LINE = re.compile(r"^.*[^\s|:-].*\|:?-{3,}:?\|.*$", re.MULTILINE)
"""The line under a table's head that does not begin a line."""
DEFINED = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)
TEST = re.compile(r"`(test_[a-z0-9_]+)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_and_every_named_file_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    linked = [document.parent / link for link in LINK.findall(text)]
    named = [ROOT / name for name in (*NAMED.findall(text), *BARE.findall(text))]

    missing = [str(path) for path in (*linked, *named) if not _exists(path)]

    assert not missing, f"{document.name} names what is not there"


def test_the_reference_lists_the_routes_of_the_openapi_document_word_for_word() -> None:
    described = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))["paths"]
    document = (ROOT / "docs" / "API.md").read_text(encoding="utf-8")

    assert len(described) > 50
    assert with_table(document, described) == document, "run `python -m ops.endpoint_table` to write the table anew"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_that_a_document_names_exists(document: Path) -> None:
    named = set(TEST.findall(document.read_text(encoding="utf-8"))) - {"test_merchant"}

    assert named - _tests() == set()


def test_every_row_of_the_security_tables_names_what_checks_it() -> None:
    claims = (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("## What a PCI DSS")[0]
    rows = [
        line for line in claims.splitlines() if line.startswith("| ") and not line.startswith(("| door", "| asset"))
    ]

    assert len(rows) > 30
    assert [row for row in rows if "`tests/" not in row] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_code_block_names_the_test_that_runs_it_or_is_marked_as_shown(document: Path) -> None:
    """The README's blocks are found by their section (tests/e2e/test_readme.py); `{…}` is a directive of the site."""
    opened = FENCE.findall(document.read_text(encoding="utf-8"))[::2]
    unmarked = [
        words
        for words in opened
        if not words.startswith("{") and (len(words.split()) != 2 or words.split()[1] not in {*RUN_BY, "shown"})
    ]

    assert document.name == "README.md" or not unmarked, f"write one of {[*RUN_BY, 'shown']} after the language"


@pytest.mark.parametrize("word", RUN_BY)
def test_the_test_that_a_code_block_names_looks_for_it(word: str) -> None:
    used = [
        path for path in DOCUMENTS if re.search(rf"^```[a-z]+ {word}$", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert used, "no document has such a block any more"
    assert re.search(rf"```.*\b{word}\b", (ROOT / RUN_BY[word]).read_text(encoding="utf-8"))


def test_the_map_of_the_tree_names_every_folder() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    mapped = {name for row in MAP_ROW.findall(contributing) for name in row.split()}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    folders = {f"{path.split('/')[0]}/" for path in tracked if "/" in path and not path.startswith(".")}

    assert mapped == folders


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_and_gateway_command_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))

    assert set(MAKE.findall(text)) <= targets
    assert set(GATEWAY.findall(text)) <= set(COMMANDS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_row_of_a_table_has_a_line_of_its_own(document: Path) -> None:
    """A formatter that fills paragraphs turns a table into one."""
    text = document.read_text(encoding="utf-8")

    assert RULE_IN_A_LINE.findall(text) == []


def test_the_table_of_mutations_can_be_written_again() -> None:
    text = (ROOT / "docs" / "SIMULATION.md").read_text(encoding="utf-8")
    between = text.partition(BEGIN)[2].partition(END)[0]

    assert between.startswith(HEAD)
    assert all(line.startswith("| ") and line.count("|") == 6 for line in between.removeprefix(HEAD).splitlines())


def test_every_document_has_a_place_in_the_navigation_of_the_site() -> None:
    """Decision records are in docs/decisions/README.md."""
    listed = set(re.findall(r"^([A-Za-z/]+)$", (ROOT / "docs" / "index.md").read_text(encoding="utf-8"), re.MULTILINE))
    documents = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in ROOT.glob("docs/**/*.md")}

    assert {name for name in documents if not name.startswith("decisions/0")} == listed | {"index"}


def test_the_bank_starts_with_the_faults_that_texts_show() -> None:
    texts = [
        *DOCUMENTS,
        ROOT / ".env.example",
        ROOT / "runtime" / "settings.py",
        ROOT / "agents" / "bank" / "simulated.py",
    ]
    shown = [one for path in texts for one in BANK_FAULTS.findall(path.read_text(encoding="utf-8"))]

    assert len(shown) >= 3
    for one in shown:
        parse_faults(one)


def test_the_readme_is_at_most_150_lines_long() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@cache
def _tests() -> frozenset[str]:
    """The name of every test function of the tree."""
    files = ROOT.glob("tests/**/test_*.py")
    return frozenset(name for path in files for name in DEFINED.findall(path.read_text(encoding="utf-8")))


def _exists(path: Path) -> bool:
    return any(path.parent.glob(path.name)) if "*" in path.name else path.exists()
