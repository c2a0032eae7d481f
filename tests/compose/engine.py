"""A Docker engine of our own: Debian's dockerd on a private socket and data folder, Compose v2 built from its module.

It can pull nothing (its proxy leads nowhere), so what runs is what was made here. What dockerd changes on the host
(packet filter, forwarding, its bridge) is noted before it starts and put back when it has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COMPOSE_MODULE = "github.com/docker/compose/v2"
COMPOSE_VERSION = "v2.40.3"
PACKAGES = {"dockerd": "docker.io", "docker": "docker.io", "iptables": "iptables", "mmdebstrap": "mmdebstrap"}
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
INTERFACES = Path("/sys/class/net")
NOWHERE = "http://127.0.0.1:1"
START_SECONDS = 60.0
STOP_SECONDS = 60.0


class CannotRunError(Exception):
    """This machine cannot run a container engine: a reason to skip, in one sentence."""


class FailedError(Exception):
    """A step of the test failed; the sentence and what was said."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The private engine's folder and how its programs are called."""

    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / "docker.sock"

    @property
    def compose_program(self) -> Path:
        return self.folder / "bin" / "docker-compose"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """For docker and docker-compose: our socket, our configuration, our docker-compose first on the path."""
        return {
            **os.environ,
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.folder / "config"),
            "PATH": f"{self.compose_program.parent}{os.pathsep}{os.environ['PATH']}",
            **(extra or {}),
        }

    def docker(self, *arguments: str, timeout_seconds: float = 600) -> str:
        """Run docker and return what it said. The classic builder needs no plug-in and no front-end image."""
        environment = self.environment({"DOCKER_BUILDKIT": "0"})
        return output_of(["docker", *arguments], environment=environment, timeout_seconds=timeout_seconds)


def output_of(
    argv: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_seconds: float = 600,
) -> str:
    """Standard output of a command. Raises FailedError with the end of what it said when it fails."""
    try:
        done = subprocess.run(
            argv,
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise FailedError(f"{argv[0]} {argv[1]} took longer than {timeout_seconds:.0f} s") from error
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise FailedError(f"{' '.join(map(str, argv))} failed ({done.returncode}):\n{last}")
    return done.stdout


def make_engine(folder: Path) -> Engine:
    """Install and build what is missing. Raises CannotRunError if that is impossible."""
    _refuse_impossible()
    _install_packages()
    engine = Engine(folder)
    for name in ("bin", "config", "data", "exec", "contexts"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if not engine.compose_program.exists():
        _build_compose(engine)
    return engine


def _refuse_impossible() -> None:
    if platform.system() != "Linux":
        raise CannotRunError("it needs Linux")
    if os.geteuid() != 0:
        raise CannotRunError("it needs root (a Docker engine of its own)")
    if not shutil.which("apt-get"):
        raise CannotRunError("it needs Debian's packages (no apt-get here)")
    if not shutil.which("go"):
        raise CannotRunError("it needs Go, to build Compose v2 from its module")


def _install_packages() -> None:
    missing = sorted({package for program, package in PACKAGES.items() if not shutil.which(program)})
    if not missing:
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    output_of(["apt-get", "update", "-qq"], environment=quiet)
    # without a system's service manager nothing is started; with one, ours is a second daemon beside it
    output_of(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], environment=quiet)


def _build_compose(engine: Engine) -> None:
    """`go install module@version` is refused (the module replaces others), so it is built in its own folder."""
    module = f"{COMPOSE_MODULE}@{COMPOSE_VERSION}"
    found = json.loads(output_of(["go", "mod", "download", "-json", module]))
    source = engine.folder / "compose-source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(found["Dir"], source, copy_function=shutil.copyfile)
    for path in [source, *source.rglob("*")]:
        path.chmod(0o755)
    flags = f"-s -w -X {COMPOSE_MODULE}/internal.Version={COMPOSE_VERSION}"
    output_of(
        ["go", "build", "-mod=mod", "-trimpath", "-ldflags", flags, "-o", engine.compose_program, "./cmd"],
        environment={**os.environ, "CGO_ENABLED": "0"},
        cwd=source,
        timeout_seconds=900,
    )
    shutil.rmtree(source, ignore_errors=True)


@contextlib.contextmanager
def running(engine: Engine) -> Iterator[None]:
    """dockerd for the time of the block. Raises CannotRunError with its last words when it does not start."""
    with _host_network_restored(), (engine.folder / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            [
                "dockerd",
                f"--data-root={engine.folder / 'data'}",
                f"--exec-root={engine.folder / 'exec'}",
                f"--pidfile={engine.folder / 'dockerd.pid'}",
                f"--host=unix://{engine.socket}",
            ],
            env={**os.environ, "HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "NO_PROXY": ""},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_ready(engine, daemon)
            yield
        finally:
            _end(daemon)


def _wait_until_ready(engine: Engine, daemon: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(FailedError):
            engine.docker("version", timeout_seconds=10)
            return
        if daemon.poll() is not None or time.monotonic() > limit:
            last = " ".join((engine.folder / "dockerd.log").read_text(errors="replace").splitlines()[-2:])
            raise CannotRunError(f"the Docker engine does not run on this machine: {last[:400]}")
        time.sleep(0.3)


def _end(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait(timeout=STOP_SECONDS)


@contextlib.contextmanager
def _host_network_restored() -> Iterator[None]:
    """Packet filter, forwarding and bridges as they were, whatever the block did to them."""
    rules, forwarding, interfaces = output_of(["iptables-save"]), FORWARDING.read_text(), _interfaces()
    try:
        yield
    finally:
        for bridge in sorted(name for name in _interfaces() - interfaces if name.startswith(("docker", "br-"))):
            subprocess.run(["ip", "link", "delete", bridge], check=False)
        restored = rules + _empty_tables(rules, output_of(["iptables-save"]))
        subprocess.run(["iptables-restore"], input=restored, text=True, check=True)
        FORWARDING.write_text(forwarding)


def _interfaces() -> set[str]:
    return {path.name for path in INTERFACES.iterdir()}


def _empty_tables(before: str, after: str) -> str:
    """Tables that appeared in between, without rules: restoring them empties them."""
    text = ""
    for block in after.split("*")[1:]:
        table, *lines = block.splitlines()
        if f"*{table}\n" not in before:
            built_in = [line.split()[0] for line in lines if line.startswith(":") and line.split()[1] != "-"]
            text += f"*{table}\n" + "".join(f"{chain} ACCEPT [0:0]\n" for chain in built_in) + "COMMIT\n"
    return text
