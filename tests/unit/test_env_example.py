"""`.env.example` lists every setting there is, each with a value that the settings accept."""

from __future__ import annotations

import re

from ops.console.environment import OPERATIONS_VARIABLES, REPOSITORY, parse_env_file, plan_stack
from pages.settings import PagesSettings
from runtime.settings import Settings
from tests.support.stack import settings_of

COMPOSE_ONLY = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "CONSOLE_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT"}
EXAMPLE = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
VARIABLE = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]*)=", re.MULTILINE)
IN_SERVICE = re.compile(r"^# (?=[A-Z][A-Z0-9_]*=)", re.MULTILINE)


def test_it_lists_every_setting_once_and_nothing_else() -> None:
    listed = VARIABLE.findall(EXAMPLE)
    assert sorted(listed) == sorted(set(listed))
    fields = {*Settings.model_fields, *PagesSettings.model_fields}
    assert set(listed) == {name.upper() for name in fields} | set(OPERATIONS_VARIABLES) | COMPOSE_ONLY


def test_every_value_in_it_is_accepted() -> None:
    everything = parse_env_file(IN_SERVICE.sub("", EXAMPLE))
    assert settings_of(plan_stack(everything).environment).test_mode


def test_copied_as_it_is_it_changes_nothing_about_make_up() -> None:
    copied = parse_env_file(EXAMPLE)
    assert plan_stack(copied).external == frozenset()
    assert plan_stack(copied).ports == plan_stack({}).ports


def test_the_values_shown_are_the_defaults() -> None:
    shown = parse_env_file(IN_SERVICE.sub("", EXAMPLE))
    defaults = settings_of({"TEST_MODE": "true"})
    again = settings_of({name: shown[name] for name in shown if shown[name] != ""})
    assert again == defaults
