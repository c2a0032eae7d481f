"""Programs of the official Go, Java and PHP clients, made with their own languages' tools (make clients).

Go and Java come through the front and their client is untouched; PHP's, which brings certificates of its own, uses the
base URL. Each build step has a limit. Whatever is missing on a machine is a skipped test with a sentence.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.razorpay.programs import built, printed
from tests.e2e.razorpay.shop import DoubleShop, Front

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]
HERE = Path(__file__).parent
DOWNLOAD_SECONDS_MAX = 240.0
BUILD_SECONDS_MAX = 480.0
"""Go compiles its standard library the first time: half a minute on two idle cores, many times that on busy ones."""
PHP_CLIENT = "RAZORPAY_PHP"
"""The folder of a checkout of razorpay-php: no registry that the tests may use has it."""


def _copied(folder: str, to: Path) -> None:
    for source in (HERE / folder).iterdir():
        shutil.copy(source, to / source.name)


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go on this machine")
def test_a_go_program_of_the_official_client_runs_unmodified(front: Front, shop: DoubleShop, tmp_path: Path) -> None:
    _copied("go", tmp_path)
    built(["go", "mod", "download"], tmp_path, seconds=DOWNLOAD_SECONDS_MAX)
    built(["go", "build", "-o", "program", "."], tmp_path, seconds=BUILD_SECONDS_MAX)
    said = printed([str(tmp_path / "program"), shop.key, shop.secret], front.variables("HTTPS_PROXY", "SSL_CERT_FILE"))
    assert said.split() == ["created", "collection", "captured", "pending", "refused"]


@pytest.mark.skipif(
    shutil.which("java") is None or shutil.which("mvn") is None, reason="there is no Java or no Maven on this machine"
)
def test_a_java_program_of_the_official_client_runs_unmodified(front: Front, shop: DoubleShop, tmp_path: Path) -> None:
    """Scheme, host and port are constants in this client: nothing but the front reaches it."""
    _copied("java", tmp_path)
    built(
        ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"],
        tmp_path,
        seconds=DOWNLOAD_SECONDS_MAX,
    )
    command = ["java", "-cp", f"{tmp_path / 'lib'}/*", str(tmp_path / "Program.java"), shop.key, shop.secret]
    said = printed(command, front.variables("JAVA_TOOL_OPTIONS"))
    assert said.split() == ["created", "1", "captured", "pending", "refused"]


@pytest.mark.skipif(
    shutil.which("php") is None or PHP_CLIENT not in os.environ,
    reason=f"PHP needs php-cli, php-curl and {PHP_CLIENT}=FOLDER, a checkout of razorpay-php, which no registry has",
)
def test_a_php_program_of_the_official_client_runs_with_another_base_url(shop: DoubleShop) -> None:
    php = str(shutil.which("php"))
    said = printed([php, str(HERE / "php/program.php"), os.environ[PHP_CLIENT], shop.url, shop.key, shop.secret], {})
    assert said.split() == [
        "created", "noted", "collection", "captured", "1", "pending", "1000", "customer", "refused",
    ]  # fmt: skip
