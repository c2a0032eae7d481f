"""The receivers in docs/WEBHOOKS.md, run as they stand: they take what is genuine and refuse what is not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ops.stack.ports import is_free
from tests.e2e.webhooks.conftest import Merchant
from tests.support.eventually import eventually

DOCUMENT = Path(__file__).parents[3] / "docs" / "WEBHOOKS.md"
RECEIVERS = {"python": (sys.executable, "-u"), "js": ("node",)}


@pytest.mark.parametrize("language", list(RECEIVERS))
async def test_the_documented_receiver_takes_genuine_webhooks_only(
    language: str, merchant: Merchant, tmp_path: Path
) -> None:
    port = next(port for port in range(19_910, 19_990) if is_free(port))
    url = f"http://127.0.0.1:{port}/webhooks"
    secret = (await merchant.call("PUT", "/webhooks/config", {"webhook_url": url}))["webhook_secret"]
    async with _receiver(language, port, secret, tmp_path) as output:
        await merchant.call("POST", "/webhooks/test")
        await merchant.shop.pay()
        await eventually(lambda: _statuses(merchant, ["success", "success"]))
        await eventually(
            lambda: output.read_text().split("\n")[:2] == ["received webhook.test", "received payment.success"]
        )

        (detail,) = [await merchant.call("GET", f"/webhooks/{(await merchant.logs())[0]['id']}")]
        headers, body = detail["attempts_log"][0]["request_headers"], detail["raw_body"]
        async with httpx.AsyncClient() as client:
            again = await client.post(url, content=body, headers=headers)
            forged = await client.post(url, content=body.replace("success", "SUCCESS"), headers=headers)
            unsigned = await client.post(url, content=body)
        assert (again.status_code, forged.status_code, unsigned.status_code) == (200, 401, 401)
        assert len(output.read_text().splitlines()) == 2, "a repeated webhook-id is not acted upon"

        for _ in range(2):
            await merchant.call("POST", "/webhooks/regenerate-secret")
        await merchant.call("POST", "/webhooks/test")
        await eventually(lambda: _statuses(merchant, ["success"] * 3))


@contextlib.asynccontextmanager
async def _receiver(language: str, port: int, secret: str, folder: Path) -> AsyncIterator[Path]:
    """The document's program in this language; yields the file with what it prints."""
    (source,) = re.findall(rf"```{language} receiver\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    program, output = folder / f"receiver.{'py' if language == 'python' else 'js'}", folder / "output"
    program.write_text(source, encoding="utf-8")
    environment = {**os.environ, "PORT": str(port), "WEBHOOK_SECRET": secret}
    with output.open("w") as written:
        process = await asyncio.create_subprocess_exec(
            *RECEIVERS[language], str(program), env=environment, stdout=written
        )
        try:
            await eventually(lambda: not is_free(port), timeout=20)
            yield output
        finally:
            process.kill()
            await process.wait()


async def _statuses(merchant: Merchant, expected: list[str]) -> bool:
    return [log["status"] for log in await merchant.logs()] == expected
