"""The commands of the documents, run as they stand, by a merchant of their own: no response is an error."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from pathlib import Path

import pytest

from tests.support.api import signed_up
from tests.support.stack import Stack

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```sh run\n(.*?)^```", re.MULTILINE | re.DOTALL)
SECONDS_MAX = 90
PRELUDE = """
set -euo pipefail
trap '' PIPE
gateway() { "{python}" -m ops.cli "$@" || [ $? = 1 ]; }   # 1: there is something to report
curl() {
  response=$(command curl --no-progress-meter "$@" || [ $? = 28 ])   # 28: a stream that was watched long enough
  printf '%s\\n' "$response" 2> /dev/null || true   # `grep -q` may have read enough
  case "$response" in *'{"error":'*) printf '%s\\n' "curl $*: $response" >&2; return 1 ;; esac
}
"""


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        ("TUTORIAL.md", ['"captured":true', '"amount":20000', "payment.captured", "whsec_"]),
        (
            "PAYMENTS.md",
            [
                *('"status":"CANCELLED"', "upi://pay?", '"voided":true', '"capture_within_minutes":4320'),
                *(
                    '"type":"otp"',
                    '"card_last4":"3220"',
                    '"receipt":"return-7"',
                    '"currency":"JPY"',
                    '"currency":"KWD"',
                ),
            ],
        ),
        ("WEBHOOKS.md", ["webhook.test", "whsec_", "accounting"]),
    ],
)
async def test_the_commands_of_a_document_work_in_their_order(stack: Stack, document: str, shown: list[str]) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / document).read_text(encoding="utf-8"))
    async with await signed_up(stack) as merchant:
        script = "\n".join(blocks).replace("http://localhost:8000", stack.api_url)
        script = script.replace("key_test_abc123", merchant.key).replace("secret_test_xyz789", merchant.secret)
        code, printed = await _run(stack, script)

    assert code == 0, printed
    assert [text for text in shown if text not in printed] == []


async def _run(stack: Stack, script: str) -> tuple[int | None, str]:
    prelude = PRELUDE.replace("{python}", sys.executable)
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        prelude + script,
        cwd=ROOT,
        env={**os.environ, **stack.env},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
    )
    async with asyncio.timeout(SECONDS_MAX):
        printed, _ = await process.communicate()
    return process.returncode, printed.decode()
