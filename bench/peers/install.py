"""Kill Bill's server and a servlet container for it, fetched by Maven into the clone's cache, as Kafka's jars are.

Nothing is compiled or built, and only the benches use them. An artifact is fetched once for each version.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ops.console.environment import SHARED_CACHE
from ops.console.errors import GatewayError
from ops.stack.install import JAVA_MAJOR_MIN, java_major, one_at_a_time

FOLDER = SHARED_CACHE / "peers"
MAVEN_COPY = ("mvn", "-q", "-B", "dependency:copy")
FETCH_SECONDS_MAX = 300.0


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a Maven registry. It is copied alone, so its POM and parents are not needed."""

    group: str
    name: str
    version: str
    packaging: str

    @property
    def coordinates(self) -> str:
        return f"{self.group}:{self.name}:{self.version}:{self.packaging}"

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}-{self.version}.{self.packaging}"


KILL_BILL = Artifact("org.kill-bill.billing", "killbill-profiles-killbill", "0.22.26", "war")
"""The newest release whose server the registry serves."""
JETTY = Artifact("org.eclipse.jetty", "jetty-runner", "9.4.58.v20250814", "jar")
"""Runs a war by itself; 9.4 is the last line with the `javax.servlet` that this release needs."""


def fetch_kill_bill() -> None:
    """Copy what is missing. Raises GatewayError without Java, Maven or the registry."""
    if java_major() < JAVA_MAJOR_MIN:
        raise GatewayError(f"Kill Bill needs Java {JAVA_MAJOR_MIN} or later; `gateway install` installs one.")
    for artifact in (KILL_BILL, JETTY):
        fetch(artifact)


def fetch(artifact: Artifact, *, seconds_max: float = FETCH_SECONDS_MAX) -> None:
    """Copy one artifact unless it is there. An interrupted copy leaves no partial artifact."""
    if artifact.path.exists():
        return
    if not shutil.which(MAVEN_COPY[0]):
        raise GatewayError(f"{artifact.name} is fetched by Maven, which is not installed (apt-get install maven).")
    with one_at_a_time("peers"):
        fresh = FOLDER.with_name("peers.new")
        shutil.rmtree(fresh, ignore_errors=True)
        _copy(artifact, fresh, seconds_max)
        FOLDER.mkdir(parents=True, exist_ok=True)
        (fresh / artifact.path.name).replace(artifact.path)
        shutil.rmtree(fresh)


def _copy(artifact: Artifact, folder: Path, seconds_max: float) -> None:
    command = [*MAVEN_COPY, f"-Dartifact={artifact.coordinates}", f"-DoutputDirectory={folder}"]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds_max, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise GatewayError(f"{artifact.coordinates} was not fetched within {seconds_max:.0f} s.") from error
    if done.returncode or not (folder / artifact.path.name).exists():
        reason = next((line for line in done.stdout.splitlines() if "ERROR" in line), "Maven copied nothing")
        raise GatewayError(f"{artifact.coordinates} could not be fetched by Maven: {reason[:600]}")
