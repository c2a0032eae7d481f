"""No function, method or class of the product is unused, as far as vulture sees.

What only a framework calls is named here.
"""

from __future__ import annotations

from vulture import Vulture

from ops.cli import COMMANDS

PRODUCT = ["domain", "topics", "store", "runtime", "api", "agents", "ops", "pages", "bench"]
KINDS = {"function", "method", "class", "property", "import"}
"""Not variables: a field of a dataclass or a model is often read by its name only."""
CALLED_BY_DECORATOR = ["@router.*", "@app.*", "@*.command", "@*.callback", "@field_validator", "@model_validator"]
CALLED_BY_FRAMEWORK = {
    "build_middleware_stack",  # Starlette, at the first request
    "send_400_response",  # uvicorn's protocol
    "list_commands",  # click
    "log_message",  # http.server
    "_retry_intervals",  # pydantic
    "_consistent",  # pydantic
    "wait_first",  # Faust's consumer
    "_new_consumer_thread",
    "_get_tasks",  # mode, under Faust
    "call_thread",
    "on_stop",
    "on_init_dependencies",
    "verify_event_path",
    "main_loop",  # uvicorn's server
    "on_partitions_*",  # aiokafka
    "do_GET",  # http.server
    "on_broken_pipe",  # rich
}


def test_everything_that_is_defined_is_used() -> None:
    vulture = Vulture(ignore_decorators=CALLED_BY_DECORATOR, ignore_names=[*CALLED_BY_FRAMEWORK, *_commands()])
    vulture.scavenge(PRODUCT)
    unused = [item for item in vulture.get_unused_code(min_confidence=60) if item.typ in KINDS]
    assert not unused, "\n".join(f"{item.filename}:{item.first_lineno} {item.typ} {item.name}" for item in unused)


def _commands() -> set[str]:
    """Functions that the command line finds by name."""
    return {entry.target.partition(":")[2] for entry in COMMANDS.values()}
