"""The race against Kill Bill: whose turn it is, what a round comes to, and how the server is set up."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.peers import install
from bench.peers.install import Artifact, fetch
from bench.peers.kill_bill import for_postgres, properties
from bench.peers.race import PEER, Heat, Run, payments_in, shown, turns
from bench.processes import cpu_seconds_of
from ops.console.errors import GatewayError

ARTIFACT = Artifact("org.example", "server", "1.0", "war")
HEAT = Heat(
    16,
    2_400,
    {
        "one request": [Run(100.0, 8.0, 50.0, 90.0), Run(300.0, 6.0, 30.0, 70.0), Run(200.0, 7.0, 40.0, 80.0)],
        PEER: [Run(50.0, 20.0, 80.0, 160.0), Run(100.0, 28.0, 100.0, 160.0), Run(150.0, 14.0, 60.0, 160.0)],
    },
)


def test_a_heat_is_the_median_of_each_figure() -> None:
    assert HEAT.medians() == {"one request": Run(200.0, 7.0, 40.0, 80.0), PEER: Run(100.0, 20.0, 80.0, 160.0)}


def test_ratios_are_ours_as_a_multiple_of_the_peers() -> None:
    assert HEAT.ratios() == {"one request": Run(2.0, 0.35, 0.5, 0.5)}


def test_the_table_has_a_line_for_each_side_and_for_each_ratio() -> None:
    lines = [line.split() for line in shown(HEAT).splitlines()]
    assert lines[0][:5] == ["16", "in", "flight,", "2400", "payments,"]
    assert ["one", "request", "/", "Kill", "Bill", "2.00", "0.35", "0.50", "0.50"] in lines
    assert any(line[:6] == ["one", "request", "200.0", "(100.0", "to", "300.0)"] for line in lines)


def test_each_side_begins_a_round_in_turn() -> None:
    assert list(turns(("a", "b", "c"), rounds=4)) == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


@pytest.mark.parametrize(("in_flight", "payments"), [(1, 300), (2, 300), (16, 2_400), (64, 2_400)])
def test_more_in_flight_pay_more_in_a_round(in_flight: int, payments: int) -> None:
    assert payments_in(300, in_flight=in_flight) == payments


def test_kill_bill_has_a_thread_and_a_connection_for_each_request_and_hashes_once(tmp_path: Path) -> None:
    found = properties(database_url="postgresql://owner:word@127.0.0.1:15432/killbill", in_flight=64, folder=tmp_path)
    assert found["org.killbill.security.shiroNbHashIterations"] == "1"
    assert int(found["org.killbill.payment.plugin.threads.nb"]) == 64
    assert int(found["org.killbill.dao.maxActive"]) > 64
    assert found["org.killbill.server.test.mode"] == "false"
    for prefix in ("org.killbill.dao", "org.killbill.billing.osgi.dao"):
        assert found[f"{prefix}.url"] == "jdbc:postgresql://127.0.0.1:15432/killbill"
        assert (found[f"{prefix}.user"], found[f"{prefix}.password"]) == ("owner", "word")


def test_its_numbers_of_rows_are_64_bits_without_its_trigger_on_statements() -> None:
    script = (
        "CREATE OR REPLACE LANGUAGE plpgsql;\nCREATE TABLE accounts (record_id serial unique, serials int);\n"
        "/* Alter 'serial' columns to 'bigint' */\nCREATE EVENT TRIGGER more"
    )
    assert for_postgres(script).strip() == "CREATE TABLE accounts (record_id bigserial unique, serials int);"


def test_without_maven_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(install, "FOLDER", tmp_path / "peers")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GatewayError, match="Maven, which is not installed"):
        fetch(ARTIFACT)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("echo '[ERROR] no such artifact'; exit 1", "could not be fetched by Maven: .*no such artifact"),
        ("exit 0", "could not be fetched by Maven: Maven copied nothing"),
        ("exec sleep 30", "was not fetched within 1 s"),
    ],
)
def test_a_failed_fetch_reports_the_reason_and_leaves_nothing(
    script: str, sentence: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _maven(script, monkeypatch, tmp_path)
    with pytest.raises(GatewayError, match=sentence):
        fetch(ARTIFACT, seconds_max=1)
    assert not ARTIFACT.path.exists()


def test_an_artifact_is_fetched_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "peers.new"
    copy = f"mkdir -p {folder} && echo war > {folder}/server-1.0.war"
    _maven(f"echo run >> {tmp_path}/runs; {copy}", monkeypatch, tmp_path)
    fetch(ARTIFACT)
    fetch(ARTIFACT)
    assert ARTIFACT.path.read_text() == "war\n"
    assert (tmp_path / "runs").read_text() == "run\n"


def _maven(script: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A `mvn` of one line, first on the path; the cache is a folder of the test's own."""
    program = tmp_path / "bin" / "mvn"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(install, "FOLDER", tmp_path / "peers")
    assert shutil.which("mvn") == str(program)


def test_processor_time_includes_that_of_children_that_have_ended() -> None:
    work = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(30_000_000))']); print(); input()"
    with subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        parent.stdout.readline()
        used = cpu_seconds_of({"parent": parent.pid})["parent"]
        own = sum(map(int, Path(f"/proc/{parent.pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
        parent.stdin.close()
        parent.wait(10)
    assert used > own / 100 + 0.1
