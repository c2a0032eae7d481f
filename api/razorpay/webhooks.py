"""Webhooks of the double: endpoints that get its events in its format, signed with a secret that the merchant brings.

They are rows among our own endpoints, so the same chain plans, delivers, retries and shows them.
"""

from __future__ import annotations

from starlette.requests import Request

from api.access.audit import witness
from api.access.caller import Caller
from api.process.services import Services, services_of
from api.razorpay.bodies import checked, read_fields
from api.razorpay.errors import DoubleError, unknown_id
from api.razorpay.ignored import without_effect
from api.razorpay.queries import collection, read_query
from api.razorpay.schemas import ChangedWebhook, NewWebhook, PageQuery
from api.webhooks import checked_url, publish_switches
from domain.audited import Action
from domain.ids import ENDPOINT, is_id
from runtime.clock import make_id, now
from runtime.secrets import Sealed, seal
from store.webhooks.endpoints import (
    ENDPOINTS_MAX,
    Endpoint,
    NewEndpoint,
    TooManyEndpointsError,
    change_endpoint,
    delete_endpoint,
    find_endpoint,
    insert_endpoint,
    list_endpoints,
)
from topics.razorpay.entities import Entity, seconds
from topics.razorpay.webhooks import SENT, ours

EVENTS_MAX = 200
SECRET_HINT = "…"


async def create(request: Request, caller: Caller) -> Entity:
    body = checked(NewWebhook, await read_fields(request))
    services = services_of(request)
    names = _names(request, body.events)
    without_effect(request, ["alert_email"] if body.alert_email else [])
    secret, endpoint_id = body.secret or "", make_id(ENDPOINT)
    new = NewEndpoint(
        id=endpoint_id,
        merchant_id=caller.merchant_id,
        url=checked_url(body.url, services.settings),
        events=ours(names),
        description=None,
        ordering="per_payment",
        active=body.active,
        secret_sealed=seal(secret, services.settings.keys, Sealed.WEBHOOK_SECRET, endpoint_id),
        secret_hint=_hint(secret),
        razorpay_events=names,
        razorpay_alert_email=body.alert_email,
        razorpay_shuffled=body.shuffled,
    )
    try:
        return shown(await insert_endpoint(services.pool, new, witness(request, caller, Action.ENDPOINT_CREATED)))
    except TooManyEndpointsError:
        raise DoubleError(f"A merchant has at most {ENDPOINTS_MAX} webhooks") from None


async def list_(request: Request, caller: Caller) -> Entity:
    part = read_query(request, PageQuery).part
    found = await list_endpoints(services_of(request).pool, caller.merchant_id)
    of_format = [one for one in reversed(found) if one.razorpay_events is not None and part.holds(one.created_at)]
    return collection([shown(one) for one in of_format[part.skip : part.skip + part.count]])


async def read(request: Request, caller: Caller) -> Entity:
    return shown(await _owned(services_of(request), request.path_params["id"], caller.merchant_id))


async def change(request: Request, caller: Caller) -> Entity:
    """PUT as well as PATCH: omitted fields are unchanged."""
    body = checked(ChangedWebhook, await read_fields(request))
    services, endpoint_id = services_of(request), request.path_params["id"]
    found = await _owned(services, endpoint_id, caller.merchant_id)
    changes: dict[str, object] = {}
    if body.url is not None:
        changes["url"] = checked_url(body.url, services.settings)
    if body.events is not None:
        names = _names(request, body.events)
        changes |= {"razorpay_events": names, "events": ours(names)}
    if body.secret is not None:
        sealed = seal(body.secret, services.settings.keys, Sealed.WEBHOOK_SECRET, endpoint_id)
        changes |= {"secret_sealed": sealed, "secret_hint": _hint(body.secret)}
    if body.alert_email is not None:
        changes["razorpay_alert_email"] = body.alert_email
        without_effect(request, ["alert_email"])
    if body.active is not None:
        changes["active"] = body.active
    if not changes:
        return shown(found)
    seen = witness(request, caller, Action.ENDPOINT_CHANGED)
    changed = await change_endpoint(services.pool, caller.merchant_id, endpoint_id, changes, now(), seen)
    if changed is None:
        raise unknown_id()
    await publish_switches(services, changed.switches)
    return shown(changed.endpoint)


async def delete(request: Request, caller: Caller) -> list[Entity]:
    services, endpoint_id = services_of(request), request.path_params["id"]
    await _owned(services, endpoint_id, caller.merchant_id)
    seen = witness(request, caller, Action.ENDPOINT_DELETED)
    await delete_endpoint(services.pool, caller.merchant_id, endpoint_id, seen)
    return []


def _names(request: Request, events: list[str]) -> list[str]:
    """The events, each once. Those that never happen here are stored, and named in a header of the response."""
    names = list(dict.fromkeys(events))
    if len(names) > EVENTS_MAX or any(len(name) > 64 or "\0" in name for name in names):
        raise DoubleError(f"The events must be at most {EVENTS_MAX} names of events", field="events")
    if not set(names) & set(SENT):
        raise DoubleError(f"The events must have at least one that this test double sends: {', '.join(SENT)}")
    without_effect(request, [name for name in names if name not in SENT])
    return names


def _hint(secret: str) -> str:
    """Too short a part of a secret, which a person may have made up, to be useful to anybody else."""
    return SECRET_HINT + (secret[-2:] if len(secret) >= 12 else "") if secret else ""


async def _owned(services: Services, endpoint_id: str, merchant_id: str) -> Endpoint:
    """Raises DoubleError 400 if the merchant has no such webhook of this format."""
    found = await find_endpoint(services.pool, merchant_id, endpoint_id) if is_id(ENDPOINT, endpoint_id) else None
    if found is None or found.razorpay_events is None:
        raise unknown_id()
    return found


def shown(endpoint: Endpoint) -> Entity:
    own = {"shuffled": True} if endpoint.razorpay_shuffled else {}
    return own | {
        "id": endpoint.id,
        "entity": "webhook",
        "url": endpoint.url,
        "alert_email": endpoint.razorpay_alert_email,
        "secret_exists": endpoint.secret_hint != "",
        "active": endpoint.active,
        "disabled_at": None,
        "events": dict.fromkeys(endpoint.razorpay_events or (), True),
        "created_at": seconds(endpoint.created_at),
        "updated_at": seconds(endpoint.updated_at or endpoint.created_at),
    }
