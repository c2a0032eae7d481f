"""The actor, for the audit log, of a test that calls the store directly."""

from __future__ import annotations

from domain.audited import Action
from runtime.clock import now
from runtime.settings import Settings
from store.accounts.audit_log import Doing, Witness


def somebody(settings: Settings, merchant_id: str, action: Action = Action.COMMAND_RUN) -> Witness:
    return Witness(Doing(merchant_id, "a test", action, "", None, now()), settings.keys)
