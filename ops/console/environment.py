"""The parts of one local stack, derived only from the environment.

    process environment  >  `.env` in the repository root  >  defaults (test mode on, URLs follow the ports)

A service whose URL is given (`DATABASE_URL`, `REDIS_URL`, `KAFKA_BOOTSTRAP_SERVERS`) is used and not started.
Pure but for `read_env_file`; the runner and the command line compute the same plan from the same environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from dotenv.parser import parse_stream

from ops.console.errors import GatewayError
from runtime.roles import ROLES
from runtime.settings import Settings, load_settings

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED_CACHE = REPOSITORY / ".run"
"""Kafka's jars and the page builds' stamps: the same for every run directory of this clone."""

PORT_DEFAULTS: dict[str, int] = {
    "PORT": 8000,
    "CHECKOUT_PORT": 3001,
    "DASHBOARD_PORT": 3000,
    "POSTGRES_PORT": 5432,
    "REDIS_PORT": 6379,
    "KAFKA_PORT": 9092,
    "KAFKA_CONTROLLER_PORT": 9093,
    "METRICS_PORT": 9100,
    "PATRONI_PORT": 8008,
    "ETCD_PORT": 2379,
}
OPERATIONS_VARIABLES = (
    "GATEWAY_RUN_DIR",
    "LISTEN_HOST",
    "POSTGRES_PORT",
    "REDIS_PORT",
    "KAFKA_PORT",
    "KAFKA_CONTROLLER_PORT",
    "KAFKA_BROKERS",
    "KAFKA_JVM_OPTIONS",
    "POSTGRES_NODES",
    "PATRONI_PORT",
    "ETCD_PORT",
)
"""Read here only; everything else in `.env.example` is a field of `runtime.settings.Settings`."""

SERVICE_URLS: dict[str, str] = {
    "postgres": "DATABASE_URL",
    "redis": "REDIS_URL",
    "kafka": "KAFKA_BOOTSTRAP_SERVERS",
}
OWN_SERVICES = "GATEWAY_OWN_SERVICES"
"""Written into a plan's environment: the variables whose addresses were derived, not given."""
SERVICE_PORTS: dict[str, tuple[str, ...]] = {
    "postgres": ("POSTGRES_PORT", "PATRONI_PORT", "ETCD_PORT"),
    "redis": ("REDIS_PORT",),
    "kafka": ("KAFKA_PORT", "KAFKA_CONTROLLER_PORT"),
}
OF_ROLE = "__"
"""Between a role's name and a variable for that role only: `DISPATCHER__KAFKA_SASL_PASSWORD`."""
BROKER_PORT_STEP = 2
"""Broker n listens this much × (n − 1) above KAFKA_PORT and KAFKA_CONTROLLER_PORT."""
BROKERS_MAX = 5
NODES_MAX = 3
ETCD_MEMBERS = 3
"""etcd members of a stack with more than one PostgreSQL: one may die, and the two others are still the majority."""
DATABASE_USER = "gateway_user"
DATABASE_PASSWORD = "gateway_pass"
DATABASE_NAME = "payment_gateway"


@dataclass(frozen=True, slots=True)
class StackPlan:
    """One stack: where it keeps its data, which ports it takes, what it starts itself, its roles' environment."""

    run_dir: Path
    host: str
    ports: Mapping[str, int]
    given: Mapping[str, str]
    """The original environment: passed to the runner, which derives the same plan from it."""
    environment: Mapping[str, str]
    """`given` and everything derived: the environment of every role."""
    external: frozenset[str]
    """Services that are used but neither started nor stopped here."""

    @property
    def logs_dir(self) -> Path:
        return self.run_dir / "logs"

    @property
    def own_services(self) -> tuple[str, ...]:
        return tuple(name for name in SERVICE_URLS if name not in self.external)

    @property
    def service_environment(self) -> Mapping[str, str]:
        """What PostgreSQL, Redis and Kafka are started with: a library that is preloaded into the roles stays out."""
        return {name: value for name, value in self.environment.items() if name != "LD_PRELOAD"}

    @property
    def kafka_brokers(self) -> int:
        """How many brokers we start ourselves; 1 also stands for those that were given."""
        return 1 if "kafka" in self.external else _brokers(self.environment)

    @property
    def postgres_nodes(self) -> int:
        """How many PostgreSQL we start: 1 by itself, more of them under Patroni."""
        return 1 if "postgres" in self.external else _nodes(self.environment)

    def ports_of(self, name: str) -> list[int]:
        """Every port that a service's variable stands for; none if nothing listens there."""
        nodes = self.postgres_nodes
        count, step = {
            "KAFKA_PORT": (self.kafka_brokers, BROKER_PORT_STEP),
            "KAFKA_CONTROLLER_PORT": (self.kafka_brokers, BROKER_PORT_STEP),
            "POSTGRES_PORT": (nodes, 1),
            "PATRONI_PORT": (nodes if nodes > 1 else 0, 1),
            # of each member the port for clients and the port for the other members
            "ETCD_PORT": (2 * ETCD_MEMBERS if nodes > 1 else 0, 1),
        }.get(name, (1, 1))
        return [self.ports[name] + step * number for number in range(count)]

    def environment_of(self, role: str) -> Mapping[str, str]:
        """`environment` for one role: `DISPATCHER__NAME=value` sets NAME for this role only."""
        own = f"{role.upper()}{OF_ROLE}"
        shared = {name: value for name, value in self.environment.items() if not _is_of_a_role(name)}
        return shared | {
            name.removeprefix(own): value for name, value in self.environment.items() if name.startswith(own)
        }

    def worker_count(self, role: str) -> int:
        """How many processes of a role the local stack runs."""
        if role == "api":
            return _whole_number(self.environment, "API_WORKERS", 0) or os.cpu_count() or 1
        if role == "payments":
            return _whole_number(self.environment, "ACTOR_WORKERS", 1)
        return 1

    def metrics_port(self, role: str, index: int) -> int:
        base = self.ports["METRICS_PORT"]
        return base + ROLES[role].metrics_offset + index if base else 0

    def listening(self, role: str) -> Mapping[str, int]:
        """Sockets that the runner opens for a role: option of its command line -> port."""
        if role == "api":
            return {"--fd": self.ports["PORT"]}
        if role == "pages":
            return {"--dashboard-fd": self.ports["DASHBOARD_PORT"], "--checkout-fd": self.ports["CHECKOUT_PORT"]}
        return {}

    def ports_to_take(self, roles: tuple[str, ...]) -> dict[int, str]:
        """Every port this stack will listen on -> the variable that moves it."""
        names = [name for service in self.own_services for name in SERVICE_PORTS[service]]
        taken = {port: name for name in names for port in self.ports_of(name)}
        for role in roles:
            options = {"--fd": "PORT", "--dashboard-fd": "DASHBOARD_PORT", "--checkout-fd": "CHECKOUT_PORT"}
            taken |= {port: options[option] for option, port in self.listening(role).items()}
            if self.ports["METRICS_PORT"]:
                taken |= {self.metrics_port(role, index): "METRICS_PORT" for index in range(self.worker_count(role))}
        return taken


def _is_of_a_role(name: str) -> bool:
    role, separator, _ = name.partition(OF_ROLE)
    return bool(separator) and role.lower() in ROLES


def read_env_file(path: Path) -> dict[str, str]:
    """The `KEY=VALUE` lines of a file; {} where there is none."""
    try:
        return parse_env_file(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def parse_env_file(text: str) -> dict[str, str]:
    """The variables of a `.env` file, read by python-dotenv as docker-compose reads it; `$` is taken literally.

    Raises GatewayError naming the first line that is not KEY=VALUE.
    """
    values: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            line = binding.original.string.strip()[:60]
            raise GatewayError(f".env line {binding.original.line} is not KEY=VALUE: {line}")
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


def plan_stack(environ: Mapping[str, str], *, test_mode_default: bool = True) -> StackPlan:
    """Derive the plan. An empty variable counts as not given."""
    given = _as_given(environ)
    ports = {name: _port(given, name, default) for name, default in PORT_DEFAULTS.items()}
    external = frozenset(service for service, variable in SERVICE_URLS.items() if variable in given)
    derived = {
        **({"TEST_MODE": "true"} if test_mode_default else {}),
        "DATABASE_URL": _database_url(ports["POSTGRES_PORT"], _nodes(given)),
        "REDIS_URL": f"redis://127.0.0.1:{ports['REDIS_PORT']}/0",
        "KAFKA_BOOTSTRAP_SERVERS": ",".join(
            f"127.0.0.1:{ports['KAFKA_PORT'] + BROKER_PORT_STEP * more}" for more in range(_brokers(given))
        ),
        "TOPIC_REPLICATION": str(min(3, _brokers(given))),
        "API_URL": f"http://localhost:{ports['PORT']}",
        "CHECKOUT_URL": f"http://localhost:{ports['CHECKOUT_PORT']}",
        "DASHBOARD_URL": f"http://localhost:{ports['DASHBOARD_PORT']}",
        "PYTHONUNBUFFERED": "1",
    }
    numbers = {name: str(port) for name, port in ports.items()}
    run_dir = Path(given.get("GATEWAY_RUN_DIR", ".run"))
    return StackPlan(
        run_dir=run_dir if run_dir.is_absolute() else REPOSITORY / run_dir,
        host=given.get("LISTEN_HOST", "127.0.0.1"),
        ports=ports,
        given=given,
        environment={
            **derived,
            **given,
            **numbers,
            OWN_SERVICES: ",".join(service for service in SERVICE_URLS if service not in external),
        },
        external=external,
    )


def _as_given(environ: Mapping[str, str]) -> dict[str, str]:
    """Without empty values, and without addresses that an earlier plan derived (its roles, `gateway env`)."""
    derived = {SERVICE_URLS[name] for name in environ.get(OWN_SERVICES, "").split(",") if name in SERVICE_URLS}
    return {
        name: value for name, value in environ.items() if value != "" and name not in derived and name != OWN_SERVICES
    }


def local_plan() -> StackPlan:
    """The plan of `make up`: the process environment and the `.env` file of this clone, test mode unless set
    otherwise."""
    return plan_stack(_environ())


def single_plan() -> StackPlan:
    """The plan of a command that may run far from the local stack: there, test mode only if it is set."""
    environ = _environ()
    return plan_stack(environ, test_mode_default="DATABASE_URL" not in environ)


def enter(plan: StackPlan) -> Settings:
    """Make the plan this process's environment and read the settings from it. A bad value ends the process."""
    for name in [name for name, value in os.environ.items() if value == ""]:
        del os.environ[name]
    os.environ.update(plan.environment)
    return load_settings()


def _environ() -> dict[str, str]:
    return {**read_env_file(REPOSITORY / ".env"), **os.environ}


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    port = _whole_number(environ, name, default)
    if not (0 if name == "METRICS_PORT" else 1) <= port <= 65_535:
        raise GatewayError(f"{name} must be a port number, not {port}.")
    return port


def _database_url(port: int, nodes: int) -> str:
    """The node that currently accepts writes, if there are several."""
    hosts = ",".join(f"127.0.0.1:{port + more}" for more in range(nodes))
    which = "?target_session_attrs=read-write" if nodes > 1 else ""
    return f"postgresql://{DATABASE_USER}:{DATABASE_PASSWORD}@{hosts}/{DATABASE_NAME}{which}"


def _brokers(environ: Mapping[str, str]) -> int:
    return _bounded(environ, "KAFKA_BROKERS", BROKERS_MAX)


def _nodes(environ: Mapping[str, str]) -> int:
    return _bounded(environ, "POSTGRES_NODES", NODES_MAX)


def _bounded(environ: Mapping[str, str], name: str, most: int) -> int:
    number = _whole_number(environ, name, 1)
    if not 1 <= number <= most:
        raise GatewayError(f"{name} must be between 1 and {most}, not {number}.")
    return number


def _whole_number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, str(default))
    try:
        return int(text)
    except ValueError:
        raise GatewayError(f"{name} must be a whole number, not {text!r}.") from None
