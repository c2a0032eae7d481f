"""pyproject.toml has the version; every other file that repeats it has the same one."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.site import conf
from runtime.release import VERSION

ROOT = Path(__file__).parents[2]
WORKSPACES = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["workspaces"]
PACKAGES = [".", *WORKSPACES]


def read_json(path: str) -> Any:
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


def versions_of(package: dict[str, Any]) -> Iterator[str]:
    """Its own version, and the one that it requires of each other workspace."""
    yield package["version"]
    yield from (required for name, required in package.get("dependencies", {}).items() if name in WORKSPACES)


def test_the_installed_package_has_the_version_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION, "`make venv` installs the current version"


@pytest.mark.parametrize("folder", PACKAGES)
def test_a_web_package_has_it(folder: str) -> None:
    assert set(versions_of(read_json(f"{folder}/package.json"))) == {VERSION}


@pytest.mark.parametrize("folder", PACKAGES)
def test_the_lock_of_the_web_packages_has_it(folder: str) -> None:
    locked = read_json("package-lock.json")
    assert locked["version"] == VERSION
    assert set(versions_of(locked["packages"][folder.removeprefix(".")])) == {VERSION}


def test_the_openapi_document_has_it() -> None:
    assert read_json("docs/openapi.json")["info"]["version"] == VERSION


def test_the_documentation_has_it() -> None:
    assert conf.release == VERSION
    assert VERSION in conf.html_title


@pytest.mark.parametrize("path", ["sdk/README.md", "pages/checkout.py"])
def test_the_address_of_the_sdks_immutable_copy_has_it(path: str) -> None:
    copies = re.findall(r"/v1/(\d+\.\d+\.\d+)/", (ROOT / path).read_text(encoding="utf-8"))
    assert set(copies) == {VERSION}


def test_the_image_of_the_kubernetes_deployment_has_it() -> None:
    text = (ROOT / "deploy" / "kubernetes" / "kustomization.yaml").read_text(encoding="utf-8")
    assert re.findall(r'newTag: "(.*)"', text) == [VERSION]


def test_the_newest_entry_of_the_changelog_is_about_it() -> None:
    entries = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert entries[0] == VERSION
