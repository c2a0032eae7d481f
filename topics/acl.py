"""The broker's access control lists: reads those of our users, and makes them match the table.

    async with admin_client(settings) as client:
        found = await read_acls(client, users)       entries about these users, even ones that the table cannot express
        await create_acl(client, acl), await delete_acl(client, acl)

aiokafka has the requests, but no methods for them. Reading and changing them needs a super user of the broker, or ALTER
on the cluster.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest

from topics.access import ANY_SUFFIX, Kind, Operation, Permission

ANY, ALLOW, LITERAL, PREFIXED = 1, 3, 3, 4
"""Kafka's codes: anything (in a filter), the permission type, and the two ways in which a name is meant."""
ANY_HOST = "*"
PRINCIPAL = "User:"


class AclError(RuntimeError):
    """The broker refused to show or change an access control list."""


@dataclass(frozen=True, slots=True)
class Acl:
    """One entry as the broker has it. `kind`, `pattern`, `operation` and `permission` are Kafka's codes."""

    principal: str
    kind: int
    name: str
    pattern: int
    operation: int
    host: str = ANY_HOST
    permission: int = ALLOW

    def __str__(self) -> str:
        shown = f"{self.name}{ANY_SUFFIX}" if self.pattern == PREFIXED else self.name
        verb = "may" if self.permission == ALLOW else "must not"
        return f"{self.principal} {verb} {_name(Operation, self.operation)} {_name(Kind, self.kind)} {shown}"


def acl_of(permission: Permission) -> Acl:
    is_prefix = permission.name.endswith(ANY_SUFFIX) and permission.name != ANY_SUFFIX
    return Acl(
        principal=f"{PRINCIPAL}{permission.user}",
        kind=permission.kind,
        name=permission.name.removesuffix(ANY_SUFFIX) if is_prefix else permission.name,
        pattern=PREFIXED if is_prefix else LITERAL,
        operation=permission.operation,
    )


async def read_acls(client: AIOKafkaAdminClient, users: Collection[str]) -> list[Acl]:
    """Every entry about these users. Raises AclError."""
    request = DescribeAclsRequest(ANY, None, ANY, None, None, ANY, ANY)
    response = await client._send_request(request)
    _raise_for(response.error_code, response.error_message)
    principals = {f"{PRINCIPAL}{user}" for user in users}
    return [
        Acl(principal, kind, name, pattern, operation, host, permission)
        for kind, name, pattern, entries in response.resources
        for principal, host, operation, permission in entries
        if principal in principals
    ]


async def create_acl(client: AIOKafkaAdminClient, acl: Acl) -> None:
    """Raises AclError."""
    response = await client._send_to_controller(CreateAclsRequest(*_fields(acl)))
    for code, message in response.creation_responses:
        _raise_for(code, message)


async def delete_acl(client: AIOKafkaAdminClient, acl: Acl) -> None:
    """Delete exactly this entry. Raises AclError."""
    response = await client._send_to_controller(DeleteAclsRequest(*_fields(acl)))
    for code, message, _matching in response.filter_responses:
        _raise_for(code, message)


def _fields(acl: Acl) -> Sequence[int | str]:
    """In the order of the requests."""
    return acl.kind, acl.name, acl.pattern, acl.principal, acl.host, acl.operation, acl.permission


def _name(codes: type[Kind] | type[Operation], code: int) -> str:
    return codes(code).name.lower().replace("_", " ") if code in {one.value for one in codes} else f"(code {code})"


def _raise_for(code: int, message: str | None) -> None:
    if code:
        raise AclError(f"{for_code(code).__name__}{f': {message}' if message else ''}")
