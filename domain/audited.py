"""The actions that the audit log records: those of users and keys that may need to be accounted for.

Payments and orders are not here: payers and shops request them, and the events record everything about them. Actions
that return money, end something or change rights are here.
"""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """`….requested` is written before the gateway decides: an entry may have no effect; every effect has an entry."""

    MERCHANT_CREATED = "merchant.created"
    MERCHANT_CHANGED = "merchant.changed"
    ACCESS_CHANGED = "access.changed"
    USER_INVITED = "user.invited"
    INVITATION_REVOKED = "invitation.revoked"
    USER_JOINED = "user.joined"
    USER_ROLE_CHANGED = "user.role_changed"
    USER_REMOVED = "user.removed"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    RETURN_SECRET_ROTATED = "return_secret.rotated"
    ENDPOINT_CREATED = "webhook_endpoint.created"
    ENDPOINT_CHANGED = "webhook_endpoint.changed"
    ENDPOINT_SECRET_ROTATED = "webhook_endpoint.secret_rotated"
    ENDPOINT_DELETED = "webhook_endpoint.deleted"
    DELIVERIES_RETRIED = "deliveries.retried"
    EVENTS_REPLAYED = "events.replayed"
    REFUND_REQUESTED = "refund.requested"
    CAPTURE_REQUESTED = "capture.requested"
    VOID_REQUESTED = "void.requested"
    CANCEL_REQUESTED = "cancel.requested"
    PASSWORD_CHANGED = "password.changed"
    PASSWORD_RESET = "password.reset"
    SECOND_FACTOR_ENABLED = "second_factor.enabled"
    SECOND_FACTOR_REMOVED = "second_factor.removed"
    SECOND_FACTOR_REFUSED = "second_factor.refused"
    """A wrong code after the right password."""
    RECOVERY_CODE_USED = "recovery_code.used"
    RECOVERY_CODES_RENEWED = "recovery_codes.renewed"
    SESSION_STARTED = "session.started"
    SESSION_ENDED = "session.ended"
    COMMAND_RUN = "command.run"
    """By an operator, on the command line."""
