"""A story as a Mermaid sequence diagram, for an issue or a chat: `gateway journey ID --mermaid`."""

from __future__ import annotations

from collections.abc import Sequence

from ops.console.mask import masked_text
from ops.journey.story import Step, StepKind

_ARROWS = {
    StepKind.COMMAND: ("Client", "->>", "Actor"),
    StepKind.EVENT: ("Actor", "->>", "Log"),
    StepKind.BANK: ("Processor", "->>", "Bank"),
    StepKind.DELIVERY: ("Log", "->>", "Webhooks"),
    StepKind.ATTEMPT: ("Webhooks", "->>", "Merchant"),
    StepKind.DEAD: ("Actor", "-x", "DeadLetters"),
}
_HEAD = ["sequenceDiagram", "    participant Client", "    participant Actor", "    participant Log"]
_LATER = ("Processor", "Bank", "Webhooks", "Merchant", "DeadLetters")


def as_mermaid(steps: Sequence[Step]) -> str:
    """The whole diagram; only participants that occur."""
    lines = [_arrow(step) for step in steps]
    used = [name for name in _LATER if any(f" {name}:" in line or f"    {name}-" in line for line in lines)]
    return "\n".join([*_HEAD, *(f"    participant {name}" for name in used), *lines])


def _arrow(step: Step) -> str:
    sender, arrow, receiver = _ARROWS[step.kind]
    if step.kind is StepKind.COMMAND and step.title.endswith(".settle"):
        sender = "Processor"
    if step.refused and arrow == "->>":
        arrow = "-x"
    label = step.title if step.change is None else f"{step.title} ({step.change.partition(' ')[2]})"
    return f"    {sender}{arrow}{receiver}: {_safe(label)}"


def _safe(text: str) -> str:
    """Mermaid ends a message at a semicolon and reads # as an entity."""
    return masked_text(text).replace(";", ",").replace("#", "")
