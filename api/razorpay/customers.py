"""Customers of the double. They have no effect: orders and payments may refer to one."""

from __future__ import annotations

from starlette.requests import Request

from api.access.caller import Caller
from api.process.services import Services, services_of
from api.razorpay.bodies import checked, read_fields
from api.razorpay.errors import DoubleError, unknown_id
from api.razorpay.queries import collection, read_query
from api.razorpay.schemas import ChangedCustomer, NewCustomer, PageQuery
from store.razorpay.customers import (
    Customer,
    CustomerExistsError,
    CustomerFields,
    change_customer,
    find_customer,
    insert_customer,
    list_customers,
)
from topics.razorpay.entities import Entity, notes_of, seconds

CUSTOMER = "cust_"
EXISTS = "Customer already exists for the merchant"


async def create(request: Request, caller: Caller) -> Entity:
    body = checked(NewCustomer, await read_fields(request))
    services = services_of(request)
    fields = CustomerFields(body.name, body.email, body.contact, body.gstin, body.notes)
    found, new = await insert_customer(services.pool, services.ids.make_id(CUSTOMER), caller.merchant_id, fields)
    if not new and body.fail_existing:
        raise DoubleError(EXISTS)
    return shown(found)


async def list_(request: Request, caller: Caller) -> Entity:
    found = await list_customers(services_of(request).pool, caller.merchant_id, read_query(request, PageQuery).part)
    return collection([shown(one) for one in found])


async def read(request: Request, caller: Caller) -> Entity:
    found = await find_customer(services_of(request).pool, request.path_params["id"], caller.merchant_id)
    if found is None:
        raise unknown_id()
    return shown(found)


async def change(request: Request, caller: Caller) -> Entity:
    body = checked(ChangedCustomer, await read_fields(request))
    fields = CustomerFields(body.name, body.email, body.contact, body.gstin, body.notes)
    try:
        found = await change_customer(services_of(request).pool, request.path_params["id"], caller.merchant_id, fields)
    except CustomerExistsError:
        raise DoubleError(EXISTS) from None
    if found is None:
        raise unknown_id()
    return shown(found)


async def check_named(services: Services, customer_id: str | None, merchant_id: str) -> None:
    """Raises DoubleError 400 if an order or a payment refers to a customer that the merchant does not have."""
    if customer_id is not None and await find_customer(services.pool, customer_id, merchant_id) is None:
        raise unknown_id()


def shown(customer: Customer) -> Entity:
    return {
        "id": customer.id,
        "entity": "customer",
        "name": customer.name,
        "email": customer.email,
        "contact": customer.contact,
        "gstin": customer.gstin,
        "notes": notes_of(customer.notes),
        "created_at": seconds(customer.created_at),
    }
