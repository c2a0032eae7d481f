"""Mail, as a port: what is sent to a user. The one adapter prints it, for the operator to pass on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ops.console.output import print_text


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    subject: str
    text: str


class Mailer(Protocol):
    async def send(self, mail: Mail) -> None:
        """Hand the mail over; raises if it was not accepted."""


class PrintedMail:
    """On standard output."""

    async def send(self, mail: Mail) -> None:
        print_text(f"To: {mail.to}\nSubject: {mail.subject}\n\n{mail.text}")
