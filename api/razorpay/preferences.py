"""What plugins read before they offer a payment: the merchant's name and the available methods."""

from __future__ import annotations

from starlette.requests import Request

from api.access.caller import Caller
from api.process.services import services_of
from domain.netbanking import BANKS
from store.accounts.merchants import find as find_merchant
from topics.razorpay.entities import Entity

METHODS: Entity = {
    "entity": "methods",
    "card": True,
    "debit_card": True,
    "credit_card": True,
    "prepaid_card": True,
    "card_networks": {"AMEX": 1, "DICL": 1, "MC": 1, "MAES": 1, "VISA": 1, "JCB": 1, "RUPAY": 1, "BAJAJ": 0},
    "amex": True,
    "netbanking": dict(BANKS),
    "wallet": [],
    "emi": False,
    "upi": True,
    "cardless_emi": [],
    "paylater": [],
}


async def methods(_request: Request, _caller: Caller) -> Entity:
    return METHODS


async def preferences(request: Request, caller: Caller) -> Entity:
    merchant = await find_merchant(services_of(request).pool, caller.merchant_id)
    assert merchant is not None, "keys belong to a merchant"
    return {
        "mode": "test",
        "options": {"theme": {"color": None}, "image": None, "remember_customer": False},
        "merchant_key": None,
        "merchant_name": merchant.name,
        "merchant_currency": "INR",
        "methods": METHODS,
    }
