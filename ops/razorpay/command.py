"""`gateway razorpay`: run the front until Ctrl-C, and print what makes each kind of program use it."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Annotated

import typer

from ops.console.exit_codes import AskedWronglyError
from ops.console.output import console
from ops.razorpay.authority import STORE_PASSWORD, Authority, context_for, open_authority
from ops.razorpay.front import LOOPBACK, Front, Upstream
from ops.stack.environment import StackPlan, local_plan
from runtime.clock import now

API_HOST, CHECKOUT_HOST = "api.razorpay.com", "checkout.razorpay.com"
PROXY_PORT, TLS_PORT = 8899, 8843


def razorpay(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Of the forward proxy; 0: any.")] = PROXY_PORT,
    tls_port: Annotated[int, typer.Option(min=0, max=65_535, help="For clients that come without a proxy.")] = TLS_PORT,
) -> None:
    """Stand in for api.razorpay.com and checkout.razorpay.com on this machine. Test mode only; Ctrl-C ends."""
    plan = local_plan()
    if plan.environment.get("TEST_MODE", "true").lower() not in ("1", "true", "yes", "on"):
        raise AskedWronglyError("The Razorpay double exists in test mode alone, and TEST_MODE is off.")
    authority = open_authority(plan.run_dir / "razorpay", (API_HOST, CHECKOUT_HOST), now())
    try:
        asyncio.run(_serve(plan, authority, port, tls_port))
    except OSError as error:
        raise AskedWronglyError(f"The front cannot listen: {error.strerror}. Try --port and --tls-port.") from None


async def _serve(plan: StackPlan, authority: Authority, port: int, tls_port: int) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    front = Front(
        {
            API_HOST: Upstream(plan.ports["PORT"], context_for(authority, API_HOST, now())),
            CHECKOUT_HOST: Upstream(plan.ports["CHECKOUT_PORT"], context_for(authority, CHECKOUT_HOST, now())),
        }
    )
    async with front.serving(proxy_port=port, tls_port=tls_port) as (proxy, tls):
        console.print(directions(authority, proxy, tls), markup=False, highlight=False, soft_wrap=True)
        sys.stdout.flush()  # whoever reads them through a pipe needs them now
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
        f"export CURL_CA_BUNDLE={authority.certificate}     # curl, PHP",
        f"export JAVA_TOOL_OPTIONS='{java}'     # Java",
        f"# Chromium: --host-resolver-rules='{rules}', and the authority in its certificate store",
        "Ctrl-C ends",
    )
    return "\n".join(lines)
