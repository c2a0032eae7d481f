"""Base images made here, under the names that the Dockerfile and docker-compose.yml use.

Debian's versions are behind the names: the tests are about our files, not about the images.

    debian-bare     mmdebstrap, imported once
    debian-local    + this machine's CA certificates
    python, node, postgres, redis, nginx     from Debian's packages (node: from its npm package)
    kafka-local     Apache Kafka behind Redpanda's command line
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from ops.console.environment import REPOSITORY
from ops.stack.install import POM, fetch_kafka, node_folder
from ops.stack.services.kafka import JARS, LOGGING
from tests.compose.engine import Engine, FailedError, output_of

SUITE = "bookworm"
BARE = f"debian-bare:{SUITE}"
LOCAL = f"debian-local:{SUITE}"
KAFKA = f"kafka-local:{SUITE}"
RECIPES = Path(__file__).resolve().parent / "images"
CERTIFICATES = Path("/usr/local/share/ca-certificates")
MIRROR = Path("/etc/apt/sources.list.d/debian.sources")
STANDS_IN = ("python", "node", "postgres", "redis", "nginx")
LEFT_OUT = ("redpandadata/", "prom/", "grafana/")
OWN = "payment-gateway:"

Report = Callable[[str], None]


def make_images(engine: Engine, report: Report) -> None:
    """Build every base image that the project names. Raises FailedError for one that has no recipe."""
    if not _exists(engine, BARE):
        _import_debian(engine)
        report(BARE)
    _build(engine, LOCAL, "debian", _add_certificates)
    for name in [*required_images(), KAFKA]:
        recipe = "kafka" if name == KAFKA else name.partition(":")[0]
        prepare = {"kafka": _add_jars, "node": _add_node}.get(recipe, _nothing)
        _build(engine, name, recipe, prepare)
        report(name)


def required_images() -> list[str]:
    """Every image that the Dockerfile builds on or a compose file runs, but for our own."""
    dockerfile = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", dockerfile, re.MULTILINE))
    named = set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) - stages
    for path in REPOSITORY.glob("docker-compose*.yml"):
        named |= set(re.findall(r"^ +image: (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    required = sorted(name for name in named if not name.startswith((*LEFT_OUT, OWN)))
    unknown = [name for name in required if name.partition(":")[0] not in STANDS_IN]
    if unknown:
        raise FailedError(f"no stand-in for {', '.join(unknown)}: add one to tests/compose/images")
    return required


def _exists(engine: Engine, name: str) -> bool:
    return bool(engine.docker("image", "ls", "--quiet", name).strip())


def _import_debian(engine: Engine) -> None:
    """A minimal Debian from the mirror this machine uses."""
    archive = engine.folder / "debian.tar"
    mirror = [MIRROR] if MIRROR.exists() else []
    output_of(
        [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            "--include=ca-certificates",
            "--dpkgopt=force-unsafe-io",
            SUITE,
            archive,
            *mirror,
        ]
    )
    engine.docker(
        "import",
        "--change",
        "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        str(archive),
        BARE,
    )
    archive.unlink()


def _build(engine: Engine, name: str, recipe: str, prepare: Callable[[Path], None]) -> None:
    """Build from a copy of the recipe's folder, unless the image that is there was made from the same."""
    digest = _digest(engine, RECIPES / recipe)
    if _exists(engine, name) and digest in engine.docker("image", "inspect", "--format", "{{.Config.Labels}}", name):
        return
    context = engine.folder / "contexts" / recipe
    shutil.copytree(RECIPES / recipe, context, dirs_exist_ok=True)
    prepare(context)
    label = f"recipe={digest}"
    engine.docker("build", "--quiet", "--tag", name, "--label", label, str(context), timeout_seconds=1200)


def _digest(engine: Engine, folder: Path) -> str:
    """Of a recipe's files, of the Debian under it, and of the list of Kafka's jars."""
    digest = hashlib.sha256(engine.docker("image", "ls", "--quiet", BARE).encode() + POM.read_bytes())
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _nothing(context: Path) -> None:
    """The recipe's folder is all it needs."""


def _add_certificates(context: Path) -> None:
    target = context / "certificates"
    target.mkdir(exist_ok=True)
    for certificate in CERTIFICATES.glob("*.crt"):
        shutil.copyfile(certificate, target / certificate.name)


def _add_jars(context: Path) -> None:
    fetch_kafka()
    shutil.copytree(JARS, context / "jars", dirs_exist_ok=True)
    shutil.copyfile(LOGGING, context / "jars" / LOGGING.name)


def _add_node(context: Path) -> None:
    folder, packages = node_folder(), context / "packages"
    if packages.exists():
        return
    if folder is None:
        raise FailedError("npm is needed to fetch the node image's contents; `gateway install` brings it")
    fetched = context / "fetched"
    fetched.mkdir(exist_ok=True)
    output_of([folder / "npm", "install", "--silent", "--prefix", fetched, "node@20", "npm@10"])
    (fetched / "node_modules").rename(packages)
