"""`make compose-test`: tests docker-compose.yml: built, started, used, scaled, killed, shut down, on this machine.

    engine -> base images -> config -> build -> up --wait -> checks -> scaled out and a worker killed -> down
           -> the commands of submission.yml, one after another

Prints one line a step. Exit code 0: passed, or skipped with the reason; 1: failed, with what was said. All files are in
one folder under the temporary directory (COMPOSE_TEST_DIR moves it), kept for the next run; delete it at will.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from ops.console.environment import REPOSITORY
from ops.console.errors import GatewayError
from ops.console.progress import console, step
from tests.compose.engine import CannotRunError, Engine, FailedError, make_engine, output_of, running
from tests.compose.images import make_images
from tests.compose.scenario import Gateway, checks
from tests.support.stack import claimed_ports

FILES = ("docker-compose.yml", "tests/compose/override.yml")
SCALE = "docker-compose.scale.yml"
RAZORPAY = "docker-compose.razorpay.yml"
HA = "docker-compose.ha.yml"
TLS = "docker-compose.tls.yml"
OVERLAYS = ("docker-compose.three-brokers.yml", "docker-compose.monitoring.yml", SCALE, RAZORPAY, HA, TLS)
REQUIRED = re.compile(r"\$\{([A-Z_]+):\?\}")
"""A variable without which Compose refuses a file: a password that nobody has a default for."""
STAGES = ("setup", "start", "test", "verify", "shutdown")
IMAGE = "payment-gateway:local"
UP_SECONDS = 600
THROUGH_THE_FRONT = """
import base64, ssl, urllib.request
trusting = ssl.create_default_context(cafile="/authority/authority.pem")
pair = base64.b64encode(b"key_test_abc123:secret_test_xyz789").decode()
asked = urllib.request.Request("https://api.razorpay.com/v1/methods", headers={"Authorization": f"Basic {pair}"})
answer = urllib.request.urlopen(asked, context=trusting, timeout=20)
print(answer.status, answer.headers["X-Test-Double"])
"""


class Compose:
    """docker-compose on the private engine, with this run's ports."""

    def __init__(self, engine: Engine, ports: Mapping[str, str], *, files: tuple[str, ...] = FILES) -> None:
        self.ports = ports
        self._engine = engine
        settings = {"COMPOSE_FILE": ":".join(files), "COMPOSE_PROJECT_NAME": "gateway-compose-test"}
        self.environment = engine.environment({**settings, **ports})

    def __call__(
        self, *arguments: str, timeout_seconds: float = UP_SECONDS, settings: Mapping[str, str] | None = None
    ) -> str:
        """`settings`: environment variables of this call alone."""
        line: list[str | Path] = [self._engine.compose_program, *arguments]
        environment = {**self.environment, **(settings or {})}
        return output_of(line, environment=environment, cwd=REPOSITORY, timeout_seconds=timeout_seconds)

    def up(self, *arguments: str) -> None:
        """Start and wait for every health check; on failure with what the containers said."""
        try:
            self("up", "--detach", "--wait", "--pull", "never", *arguments)
        except FailedError as error:
            raise FailedError(f"{error}\n{self('ps', '--all')}\n{self('logs', '--tail', '15')}") from error

    def kill_one(self, service: str) -> None:
        """SIGKILL to one of its containers, without its knowing."""
        container = self("ps", "--quiet", service).split()[0]
        self._engine.docker("kill", container)

    def shell(self, line: str) -> None:
        """A command of submission.yml, as a shell would run it."""
        output_of(["bash", "-c", line], environment=self.environment, cwd=REPOSITORY, timeout_seconds=UP_SECONDS)


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end from outside cleans up too
    folder = Path(os.environ.get("COMPOSE_TEST_DIR") or Path(tempfile.gettempdir()) / "gateway-compose-test")
    try:
        with step("engine"):
            engine = make_engine(folder)
        with running(engine), claimed_ports() as ports:
            test(engine, Compose(engine, _published(ports)), only_up=arguments.only_up)
    except CannotRunError as reason:
        console.print(f"SKIPPED: docker-compose.yml was not run: {reason}.")
        return 0
    except (FailedError, GatewayError, AssertionError) as error:
        console.print(f"FAILED: {error}", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("FAILED: interrupted")
        return 130
    console.print("compose-test passed.")
    return 0


def test(engine: Engine, compose: Compose, *, only_up: bool) -> None:
    """The whole test; containers and volumes are gone at its end, however it ends."""
    with step("base images") as current:
        make_images(engine, current.note)
    try:
        with step("config") as current:
            compose("down", "--volumes", "--remove-orphans")  # what an interrupted run left
            compose("config", "--quiet")
            current.note(_overlays(compose))
        with step("build") as current:
            compose("build", timeout_seconds=1200)
            current.note(f"{IMAGE} {_size_mb(engine, IMAGE):.0f} MB")
        with step("up --wait"):
            compose.up()
        check_all(compose, "checks")
        stand_in(Compose(engine, compose.ports, files=(*FILES, RAZORPAY)))
        if only_up:
            return
        scale_out(Compose(engine, compose.ports, files=(*FILES, SCALE)))
    finally:
        with step("down"):
            compose("down", "--volumes", "--remove-orphans")
    submit(compose)


def check_all(compose: Compose, title: str) -> None:
    """Every check of the scenario from outside, then the invariants from inside."""
    with step(title) as current:
        names = [_run(check) for check in checks(Gateway(compose.ports))]
        compose("exec", "-T", "api", "gateway", "verify")
        current.note(", ".join([*names, "verify"]))


def stand_in(compose: Compose) -> None:
    """A program in the network finds the Razorpay double under the original's name, and trusts it by the volume."""
    with step("razorpay front") as current:
        compose.up("razorpay-front")
        current.note(compose("exec", "-T", "razorpay-front", "python", "-c", THROUGH_THE_FRONT).strip())


def scale_out(compose: Compose) -> None:
    """Two API containers behind one port, three payment actors that share the partitions; one of each is killed."""
    with step("scale api=2 payments=3"):
        compose.up("--scale", "api=2", "--scale", "payments=3", "--scale", "processor=2")
    check_all(compose, "checks, scaled")
    with step("kill an actor, an API"):
        compose.kill_one("payments")
        compose.kill_one("api")
    check_all(compose, "checks, after it")


def submit(compose: Compose) -> None:
    """submission.yml's commands, stage by stage, in order; all must pass."""
    stages = yaml.safe_load((REPOSITORY / "submission.yml").read_text(encoding="utf-8"))
    assert tuple(stages) == STAGES, f"submission.yml has {', '.join(stages)}"
    try:
        for stage in STAGES:
            with step(f"submission {stage}") as current:
                for line in stages[stage]:
                    compose.shell(line)
                current.note(f"{len(stages[stage])} commands")
    finally:
        compose("down", "--volumes", "--remove-orphans")


def _run(check: object) -> str:
    assert callable(check)
    check()
    return str(getattr(check, "__name__", check)).replace("_", " ")


def _overlays(compose: Compose) -> str:
    """Each overlay with the main file, checked by Compose v2 and, where it is installed, by v1."""
    for overlay in OVERLAYS:
        required = REQUIRED.findall((REPOSITORY / overlay).read_text(encoding="utf-8"))
        line = ("--file", FILES[0], "--file", overlay, "config", "--quiet")
        if required:
            _refused_without(compose, line, required[0])
        compose(*line, settings=dict.fromkeys(required, "of-this-test"))
    return f"also with {', '.join(OVERLAYS)}"


def _refused_without(compose: Compose, line: tuple[str, ...], variable: str) -> None:
    try:
        compose(*line)
    except FailedError as error:
        assert variable in str(error) or "required variable" in str(error), str(error)
    else:
        raise AssertionError(f"Compose accepted {line[3]} without {variable}")


def _size_mb(engine: Engine, image: str) -> float:
    return int(engine.docker("image", "inspect", "--format", "{{.Size}}", image)) / 1e6


def _published(ports: Mapping[str, str]) -> dict[str, str]:
    names = ("PORT", "CHECKOUT_PORT", "DASHBOARD_PORT", "POSTGRES_PORT", "REDIS_PORT", "KAFKA_PORT")
    return {name: ports[name] for name in names}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/compose/run", description="Build and run docker-compose.yml.")
    parser.add_argument("--only-up", action="store_true", help="stop after the first round of checks")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
