"""`gateway razorpay`: run the front until Ctrl-C, and print what makes each kind of program use it."""

from __future__ import annotations

import asyncio
import signal
import ssl
import sys
from pathlib import Path
from typing import Annotated

import typer

from ops.console.environment import local_plan
from ops.console.exit_codes import UsageError
from ops.console.output import console
from ops.razorpay.authority import STORE_PASSWORD, Authority, context_for, open_authority
from ops.razorpay.front import LOOPBACK, Front, Upstream
from runtime.clock import now

API_HOST, CHECKOUT_HOST = "api.razorpay.com", "checkout.razorpay.com"
PROXY_PORT, TLS_PORT = 8899, 8843


def razorpay(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Of the forward proxy; 0: any.")] = PROXY_PORT,
    tls_port: Annotated[int, typer.Option(min=0, max=65_535, help="For clients that come without a proxy.")] = TLS_PORT,
    listen: Annotated[
        str, typer.Option(help="Address to listen on; another than loopback only in a container.")
    ] = LOOPBACK,
    api: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the API is. Default: this stack's.")] = "",
    pages: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the checkout is. Default: this stack's.")] = "",
    authority: Annotated[
        Path | None, typer.Option(help="Folder of the certificates. Default: the run directory.")
    ] = None,
) -> None:
    """Stand in for api.razorpay.com and checkout.razorpay.com on this machine. Test mode only; stop it with Ctrl-C."""
    plan = local_plan()
    if plan.environment.get("TEST_MODE", "true").lower() not in ("1", "true", "yes", "on"):
        raise UsageError("The Razorpay double exists only in test mode; set TEST_MODE=true.")
    made = open_authority(authority or plan.run_dir / "razorpay", (API_HOST, CHECKOUT_HOST), now())
    front = Front(
        {
            API_HOST: upstream_at(api, plan.ports["PORT"], context_for(made, API_HOST, now())),
            CHECKOUT_HOST: upstream_at(pages, plan.ports["CHECKOUT_PORT"], context_for(made, CHECKOUT_HOST, now())),
        }
    )
    try:
        asyncio.run(_serve(front, made, listen, port, tls_port))
    except OSError as error:
        raise UsageError(f"The front cannot listen: {error.strerror}. Try --port and --tls-port.") from None


def upstream_at(address: str, port: int, context: ssl.SSLContext) -> Upstream:
    """`address` empty: this machine. Raises UsageError."""
    if not address:
        return Upstream(port, context)
    host, _, given = address.rpartition(":")
    if not host or not given.isdecimal() or not 0 < int(given) < 65_536:
        raise UsageError(f"'{address}' is not HOST:PORT, such as 127.0.0.1:8000.")
    return Upstream(int(given), context, host)


async def _serve(front: Front, authority: Authority, listen: str, port: int, tls_port: int) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with front.serving(proxy_port=port, tls_port=tls_port, listen=listen) as (proxy, tls):
        console.print(directions(authority, proxy, tls), markup=False, highlight=False, soft_wrap=True)
        sys.stdout.flush()  # a reader at the other end of a pipe needs them now
        await ended.wait()


def directions(authority: Authority, proxy: int, tls: int) -> str:
    """Lines for a shell, one kind of program each; all of them need the first."""
    url = f"http://{LOOPBACK}:{proxy}"
    java = " ".join(
        (
            f"-Dhttps.proxyHost={LOOPBACK}",
            f"-Dhttps.proxyPort={proxy}",
            f"-Djavax.net.ssl.trustStore={authority.truststore}",
            f"-Djavax.net.ssl.trustStorePassword={STORE_PASSWORD}",
        )
    )
    rules = f"MAP {API_HOST} {LOOPBACK}:{tls}, MAP {CHECKOUT_HOST} {LOOPBACK}:{tls}"
    lines = (
        "# In the shell of your program; nothing is installed, and no other host is served.",
        f"export HTTPS_PROXY={url}",
        f"export NODE_EXTRA_CA_CERTS={authority.certificate}     # Node",
        f"export PYTHONPATH={authority.python}     # Python",
        f"export SSL_CERT_FILE={authority.certificate}     # Go, Ruby",
        f"export CURL_CA_BUNDLE={authority.certificate}     # curl",
        f"export JAVA_TOOL_OPTIONS='{java}'     # Java",
        f"# PHP: php -d curl.cainfo={authority.certificate}",
        f"# Chromium: --host-resolver-rules='{rules}', and the authority in its certificate store",
        "Ctrl-C ends",
    )
    return "\n".join(lines)
