"""PostgreSQL with fsync on, in the foreground, on 127.0.0.1 over TCP only, passwords by SCRAM.

PostgreSQL refuses to run as root: there it runs as the system user `postgres`, which must be able to reach its folder.
A clone under a closed home directory (/root) keeps the data under /var/lib/payment-gateway, with a link from the run
directory. The role and the database are made in single-user mode, before the server listens.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import secrets
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

from ops.console.environment import DATABASE_NAME, DATABASE_PASSWORD, DATABASE_USER, StackPlan
from ops.console.errors import GatewayError
from ops.stack.processes import Command, tail
from ops.stack.services.base import check_listening, running_as_root
from ops.stack.supervisor import Supervisor
from store.driver import connect

SYSTEM_USER = "postgres"
PROGRAMS = Path("/usr/lib/postgresql")
PREFERRED_MAJOR = 15
OUTSIDE_DATA = Path("/var/lib/payment-gateway")

CONFIGURATION = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 256MB
fsync = on
synchronous_commit = on
full_page_writes = on
wal_compression = on
max_wal_size = 2GB
jit = off
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = warning
lc_messages = 'C'
"""
ACCESS = "host all all 127.0.0.1/32 scram-sha-256\n"
FIRST_STATEMENTS = f"""\
CREATE ROLE {DATABASE_USER} LOGIN PASSWORD '{DATABASE_PASSWORD}'
CREATE DATABASE {DATABASE_NAME} OWNER {DATABASE_USER} ENCODING 'UTF8' TEMPLATE template0
"""


class PostgresService:
    name = "postgres"
    title = "PostgreSQL"
    restart_modes: Mapping[str, signal.Signals] = {
        "fast": signal.SIGINT,
        "immediate": signal.SIGQUIT,
        "term": signal.SIGTERM,
        "kill": signal.SIGKILL,
    }

    def __init__(self, plan: StackPlan) -> None:
        self._plan = plan
        self._port = plan.ports["POSTGRES_PORT"]
        self._user = system_user()
        self._home = plan.run_dir / "postgres"

    async def prepare(self, supervisor: Supervisor) -> None:
        data = self._data()
        if not (data / "PG_VERSION").exists():
            make_home(self._home, self._user)
            shutil.rmtree(self._data(), ignore_errors=True)  # an initdb that was interrupted
            await self._initialise(supervisor)
        (data / "gateway.conf").write_text(CONFIGURATION.format(port=self._port), encoding="utf-8")
        (data / "pg_hba.conf").write_text(ACCESS, encoding="utf-8")

    def command(self) -> Command:
        return Command(
            name=self.name,
            argv=(self._program("postgres"), "-D", str(self._data())),
            environment=self._environment(),
            cwd=self._home.resolve(),
            log=self._plan.logs_dir / "postgres.log",
            user=self._user,
            stop_signal=signal.SIGINT,  # fast: ends sessions, then a checkpoint
            stop_seconds=20.0,
        )

    async def probe(self) -> None:
        if self.name not in self._plan.external:
            await check_listening("127.0.0.1", self._port)
        connection = await connect(self._plan.environment["DATABASE_URL"], timeout=2)
        try:
            await connection.ping(timeout=2)
        finally:
            connection.terminate()

    def _data(self) -> Path:
        return self._home.resolve() / "data"

    async def _initialise(self, supervisor: Supervisor) -> None:
        fresh = self._home.resolve() / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        password = self._home.resolve() / "superuser-password"
        password.write_text(secrets.token_urlsafe(24), encoding="utf-8")
        password.chmod(0o600)
        if self._user:
            shutil.chown(password, self._user)
        await self._run(
            supervisor,
            ("initdb", "--locale=C", "--encoding=UTF8", "--auth=scram-sha-256", f"--username={SYSTEM_USER}"),
            (f"--pwfile={password}", "-D", str(fresh)),
        )
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("include_if_exists = 'gateway.conf'\n")
        await self._run(
            supervisor, ("postgres", "--single", "-D", str(fresh)), (SYSTEM_USER,), input_text=FIRST_STATEMENTS
        )
        fresh.rename(self._data())  # PG_VERSION in place means: complete

    async def _run(
        self, supervisor: Supervisor, argv: tuple[str, ...], more: tuple[str, ...], *, input_text: str = ""
    ) -> None:
        command = Command(
            name=argv[0],
            argv=(self._program(argv[0]), *argv[1:], *more),
            environment=self._environment(),
            cwd=self._home.resolve(),
            log=self._plan.logs_dir / "postgres.log",
            user=self._user,
        )
        code = await supervisor.run_once(command, input_text=input_text)
        if code != 0:
            last = " ".join(tail(command.log, 3))
            raise GatewayError(f"{argv[0]} exited with code {code}: {last}")

    def _environment(self) -> dict[str, str]:
        return postgres_environment(self._plan, self._home)

    def _program(self, name: str) -> str:
        """The programs of the version that made the data; for fresh data 15, else the newest."""
        try:
            version = (self._data() / "PG_VERSION").read_text().strip()
        except OSError:
            return str(programs_dir() / name)
        if not (PROGRAMS / version / "bin" / name).exists():
            raise GatewayError(
                f"The data in {self._home} was created by PostgreSQL {version}, which is not installed; "
                f"install postgresql-{version} or remove that folder."
            )
        return str(PROGRAMS / version / "bin" / name)


def system_user() -> str | None:
    """The account that PostgreSQL runs as; None: our own."""
    return SYSTEM_USER if running_as_root() else None


def make_home(home: Path, user: str | None) -> None:
    """A folder that belongs to the account PostgreSQL runs as, and that it can reach."""
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        if user and not _reachable(home.parent, user):
            mark = hashlib.sha256(str(home).encode()).hexdigest()[:12]
            (OUTSIDE_DATA / mark).mkdir(parents=True, exist_ok=True)
            home.symlink_to(OUTSIDE_DATA / mark)
        else:
            home.mkdir()
    if user:
        shutil.chown(home.resolve(), user)


def postgres_environment(plan: StackPlan, home: Path) -> dict[str, str]:
    """Ours, without what libpq would read out of it."""
    kept = {name: value for name, value in plan.service_environment.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C", "HOME": str(home.resolve())}


def programs_dir() -> Path:
    """The folder of initdb and postgres. Raises GatewayError if none is installed."""
    found = {int(path.parent.parent.name): path.parent for path in PROGRAMS.glob("*/bin/initdb") if _is_number(path)}
    if found:
        return found.get(PREFERRED_MAJOR) or found[max(found)]
    initdb = shutil.which("initdb")
    if not initdb:
        raise GatewayError("PostgreSQL is not installed (no initdb found); run `gateway install`.")
    return Path(initdb).resolve().parent


def _is_number(path: Path) -> bool:
    return bool(re.fullmatch(r"\d+", path.parent.parent.name))


def _reachable(folder: Path, user: str) -> bool:
    """Whether an account may walk down to the folder."""
    account = pwd.getpwnam(user)
    groups = set(os.getgrouplist(account.pw_name, account.pw_gid))
    for path in (folder, *folder.parents):
        status = path.stat()
        if status.st_uid == account.pw_uid:
            allowed = status.st_mode & 0o100
        elif status.st_gid in groups:
            allowed = status.st_mode & 0o010
        else:
            allowed = status.st_mode & 0o001
        if not allowed:
            return False
    return True
