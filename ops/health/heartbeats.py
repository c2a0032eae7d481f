"""Which roles should be alive and are not: those without a current heartbeat.

`pages` writes none: it is probed over HTTP. A role that is not part of this stack is not reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ops.console.environment import local_plan
from ops.console.errors import GatewayError
from ops.stack import control
from runtime.roles import ROLES

WITHOUT_HEARTBEAT = frozenset({"pages"})


def expected_roles() -> tuple[str, ...]:
    """Those that the local runner keeps alive; all of them if there is no runner (containers)."""
    known = tuple(role for role in ROLES if role not in WITHOUT_HEARTBEAT)
    try:
        children = control.call(local_plan().run_dir, "status", timeout=5.0)["children"]
    except GatewayError:
        return known
    running = {str(child["name"]).rpartition("-")[0] for child in children}
    return tuple(role for role in known if role in running)


def silent_roles(expected: Iterable[str], beating: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Roles without any living worker."""
    return [role for role in expected if not beating.get(role)]
