"""Who pays and for what, from a request: trimmed, blank counts as absent, format checked (domain/payer.py)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator

from api.schemas.body import Body
from domain.payer import EMAIL_CHARACTERS_MAX, TEXT_CHARACTERS_MAX, is_email, is_one_line, normalized_contact


def _trimmed(value: object) -> object:
    """Forms send their empty fields as well."""
    return (value.strip() or None) if isinstance(value, str) else value


def one_line(value: str | None, info: ValidationInfo) -> str | None:
    """Validator of a text field. Raises ValueError."""
    if value is not None and not is_one_line(value):
        raise ValueError(f"{info.field_name} must not contain line breaks or other control characters")
    return value


Line = Annotated[str, StringConstraints(max_length=TEXT_CHARACTERS_MAX)]
Trimmed = BeforeValidator(_trimmed)


class PayerBody(Body):
    """The payer's details in a request; all optional."""

    name: Annotated[Line | None, Trimmed] = Field(None, description="The payer's name")
    email: Annotated[str | None, Trimmed] = Field(
        None,
        description="The payer's e-mail address",
        json_schema_extra={"format": "email", "maxLength": EMAIL_CHARACTERS_MAX},
    )
    contact: Annotated[Line | None, Trimmed] = Field(
        None,
        description="The payer's phone number: 6 to 15 digits with an optional leading +. Spaces, dashes, dots and "
        "brackets are removed",
        examples=["+919876543210"],
    )

    _one_line = field_validator("name")(one_line)

    @field_validator("email")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None and not (is_email(value) and is_one_line(value)):
            raise ValueError("email must be an e-mail address")
        return value

    @field_validator("contact")
    @classmethod
    def _a_number(cls, value: str | None) -> str | None:
        number = None if value is None else normalized_contact(value)
        if value is not None and number is None:
            raise ValueError("contact must be a telephone number of 6 to 15 digits")
        return number

    def given(self) -> dict[str, str | None]:
        """The payer's fields, for a command and for the fingerprint of an Idempotency-Key."""
        return {"name": self.name, "email": self.email, "contact": self.contact}
