"""Kill Bill on this machine: its released server on Jetty, and a PostgreSQL of its own with our configuration.

    with running_kill_bill(accounts=64) as server:   ready, one account with a payment method for each request in flight

The changed settings, all in its favour: one round of hashing for its secrets instead of 200,000, logs from WARN on, a
thread and a database connection for each request in flight, a heap that it never fills, and no test mode. Everything
else is the released configuration. Payments go through its built-in `__EXTERNAL_PAYMENT__`, which accepts at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import time
import zipfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import asyncpg

from bench.http import Target
from bench.peers.install import JETTY, KILL_BILL, fetch_kill_bill
from ops.console.environment import StackPlan, plan_stack
from ops.console.errors import GatewayError
from ops.stack import control
from ops.stack.install import install_missing
from ops.stack.launch import start_runner
from ops.stack.processes import Command, spawn, tail
from tests.support.stack import end_runner, ports_and_folder

DATABASE = "killbill"
SUPERUSER = "postgres"
API = "/1.0/kb"
USER, PASSWORD = "admin", "password"
"""Those of the released configuration."""
API_KEY, API_SECRET = "bench", "bench-secret"
READY_SECONDS_MAX = 240.0
SETUP_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
CONNECTIONS_SPARE = 20
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "JAVA_HOME")
SCHEMAS = (
    "util",
    "account",
    "beatrix",
    "catalog",
    "entitlement",
    "invoice",
    "payment",
    "subscription",
    "tenant",
    "usage",
)
"""Modules with tables of their own; the queues' are beside them."""
LOGBACK = """\
<configuration>
  <appender name="STDOUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%date %level %logger{0} %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="STDOUT"/></root>
</configuration>
"""
OPENED = ("java.lang", "java.util", "java.net", *(f"sun.net.www.protocol.{name}" for name in ("jar", "file", "http")))
"""Packages that its libraries, made for Java 11, reach into; from 16 on that takes an option."""
JVM_OPTIONS = (
    "-Xms1g",
    "-Xmx1g",
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED),
    "-Djava.awt.headless=true",
)


@dataclass(frozen=True, slots=True)
class KillBill:
    """A server that is ready. `accounts`: ids, no two requests in flight share one. `pids`: all it consists of."""

    target: Target
    accounts: tuple[str, ...]
    pids: Mapping[str, int]
    database_url: str

    def payment(self, account: str, *, amount: str, currency: str) -> bytes:
        """The request that pays: authorized and captured in one step."""
        body = {"transactionType": "PURCHASE", "amount": amount, "currency": currency}
        return self.target.post(f"{API}/accounts/{account}/payments", body)


def properties(*, database_url: str, in_flight: int, folder: Path) -> dict[str, str]:
    """The server's configuration. `database_url`: PostgreSQL's, with account and password."""
    url = urlsplit(database_url)
    database = {"url": f"jdbc:postgresql://{url.hostname}:{url.port}{url.path}"}
    database |= {"user": url.username or "", "password": url.password or ""}
    return {
        **{f"org.killbill.dao.{name}": value for name, value in database.items()},
        **{f"org.killbill.billing.osgi.dao.{name}": value for name, value in database.items()},
        "org.killbill.dao.maxActive": str(in_flight + CONNECTIONS_SPARE),
        "org.killbill.server.multitenant": "true",
        "org.killbill.server.test.mode": "false",
        "org.killbill.security.shiroNbHashIterations": "1",
        "org.killbill.payment.plugin.threads.nb": str(in_flight),
        "org.killbill.catalog.uri": "SpyCarAdvanced.xml",
        "org.killbill.osgi.bundle.install.dir": str(folder / "bundles"),
        "org.killbill.osgi.root.dir": str(folder / "osgi"),
    }


def schema(war: Path) -> list[str]:
    """Its own tables as scripts for PostgreSQL, in order, out of the jars in the war.

    `serial` becomes `bigserial`: its own PostgreSQL script does the same by an event trigger, whose statements and the
    language's are left out, because both are there or need none.
    """
    with zipfile.ZipFile(war) as archive:
        jars = {path: zipfile.ZipFile(BytesIO(archive.read(path))) for path in archive.namelist() if _has_tables(path)}
        scripts = {name: jar for jar in jars.values() for name in jar.namelist() if name.endswith(".sql")}
        names = [f"org/killbill/billing/{module}/ddl.sql" for module in SCHEMAS] + ["org/killbill/queue/ddl.sql"]
        found = ["org/killbill/billing/util/ddl-postgresql.sql", *names]
        return [for_postgres(scripts[name].read(name).decode()) for name in found]


def _has_tables(path: str) -> bool:
    return re.fullmatch(r"WEB-INF/lib/killbill-[^/]+\.jar", path) is not None


def for_postgres(script: str) -> str:
    """One script of the server's, without what needs MySQL or a trigger on statements."""
    without = re.sub(r"/\* Alter 'serial'.*", "", script, flags=re.DOTALL)
    without = without.replace("CREATE OR REPLACE LANGUAGE plpgsql;", "")
    return re.sub(r"\bserial\b", "bigserial", without)


@contextlib.contextmanager
def running_kill_bill(*, in_flight: int) -> Iterator[KillBill]:
    """Fetch it, start it and wait until it serves; end all of it afterwards. Raises GatewayError if that fails."""
    fetch_kill_bill()
    with _own_postgres() as (plan, postgres_pid):
        database_url = asyncio.run(_create_database(plan))
        with _server(plan, database_url, in_flight) as pid:
            pids = {"kill bill": pid, "postgres": postgres_pid}
            yield asyncio.run(_set_up(plan, pids, database_url, in_flight))


@contextlib.contextmanager
def _own_postgres() -> Iterator[tuple[StackPlan, int]]:
    """A stack of PostgreSQL alone: the configuration is that of every other stack."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    with ports_and_folder() as (ports, run_dir):
        plan = plan_stack({**kept, **ports, "GATEWAY_RUN_DIR": str(run_dir)})
        install_missing(plan)
        runner = start_runner(plan, die_with_us=True)
        try:
            control.call(plan.run_dir, "start_services", only=["postgres"], timeout=180.0)
            children = control.call(plan.run_dir, "status")["children"]
            yield plan, next(int(child["pid"]) for child in children if child["name"] == "postgres")
        finally:
            end_runner(plan, runner)


async def _create_database(plan: StackPlan) -> str:
    """The database with its tables; its URL, for the account that owns them."""
    password = (plan.run_dir / "postgres" / "superuser-password").read_text(encoding="utf-8")
    server = f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{plan.ports['POSTGRES_PORT']}"
    async with asyncio.timeout(SETUP_SECONDS_MAX):
        await _execute(f"{server}/postgres", f"CREATE DATABASE {DATABASE}")
        await _execute(f"{server}/{DATABASE}", *schema(KILL_BILL.path))
    return f"{server}/{DATABASE}"


async def _execute(url: str, *scripts: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for script in scripts:
            await connection.execute(script)
    finally:
        await connection.close()


@contextlib.contextmanager
def _server(plan: StackPlan, database_url: str, in_flight: int) -> Iterator[int]:
    """The server's process id, once it responds."""
    folder = plan.run_dir / "kill-bill"
    for name in ("bundles", "osgi", "tmp"):
        (folder / name).mkdir(parents=True)
    command = _command(plan, folder, database_url, in_flight)
    process = spawn(command)
    try:
        _wait_until_it_serves(process, command, f"http://127.0.0.1:{plan.ports['PORT']}/1.0/healthcheck")
        yield process.pid
    finally:
        _end(process)


def _command(plan: StackPlan, folder: Path, database_url: str, in_flight: int) -> Command:
    options = properties(database_url=database_url, in_flight=in_flight, folder=folder)
    lines = "".join(f"{name}={value}\n" for name, value in options.items())
    (folder / "server.properties").write_text(lines, encoding="utf-8")
    (folder / "logback.xml").write_text(LOGBACK, encoding="utf-8")
    return Command(
        name="kill-bill",
        argv=(
            "java",
            *JVM_OPTIONS,
            f"-Djava.io.tmpdir={folder / 'tmp'}",
            f"-Dlogback.configurationFile={folder / 'logback.xml'}",
            f"-Dorg.killbill.server.properties=file://{folder / 'server.properties'}",
            "-jar",
            str(JETTY.path),
            *("--host", "127.0.0.1", "--port", str(plan.ports["PORT"])),
            str(KILL_BILL.path),
        ),
        environment=plan.service_environment,
        cwd=folder,
        log=plan.logs_dir / "kill-bill.log",
    )


def _wait_until_it_serves(process: subprocess.Popen[bytes], command: Command, url: str) -> None:
    ends_at = time.monotonic() + READY_SECONDS_MAX
    while asyncio.run(_status(url)) != 200:
        if process.poll() is not None or time.monotonic() > ends_at:
            last = " ".join(tail(command.log, 5))
            raise GatewayError(f"Kill Bill did not serve within {READY_SECONDS_MAX:.0f} s: {last[-1_000:]}")
        time.sleep(0.5)


async def _status(url: str) -> int:
    """0 if nothing responds."""
    try:
        limit = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=limit) as http, http.get(url) as response:
            return response.status
    except (aiohttp.ClientError, TimeoutError):
        return 0


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS_MAX)


async def _set_up(plan: StackPlan, pids: Mapping[str, int], database_url: str, in_flight: int) -> KillBill:
    """A tenant, and accounts that pay by the external payment method."""
    url = f"http://127.0.0.1:{plan.ports['PORT']}"
    headers = {
        "Authorization": f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}",
        "X-Killbill-ApiKey": API_KEY,
        "X-Killbill-ApiSecret": API_SECRET,
        "X-Killbill-CreatedBy": "bench",
        "Accept": "application/json",
    }
    limit = aiohttp.ClientTimeout(total=SETUP_SECONDS_MAX)
    async with aiohttp.ClientSession(url, headers=headers, timeout=limit) as http:
        await _create(http, f"{API}/tenants", {"apiKey": API_KEY, "apiSecret": API_SECRET})
        accounts = [await _account(http, number) for number in range(in_flight)]
    return KillBill(Target.of(url, headers), tuple(accounts), pids, database_url)


async def _account(http: aiohttp.ClientSession, number: int) -> str:
    place = await _create(http, f"{API}/accounts", {"name": f"Payer {number}", "currency": "INR"})
    account = place.rstrip("/").rpartition("/")[2]
    methods = f"{API}/accounts/{account}/paymentMethods?isDefault=true"
    await _create(http, methods, {"accountId": account, "pluginName": "__EXTERNAL_PAYMENT__", "pluginInfo": {}})
    return account


async def _create(http: aiohttp.ClientSession, path: str, body: Mapping[str, object]) -> str:
    """The address of the new resource."""
    async with http.post(path, json=body) as response:
        if response.status != 201:
            raise GatewayError(f"Kill Bill refused POST {path} with {response.status}: {await response.text()}")
        return response.headers["Location"]
