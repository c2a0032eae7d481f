"""`gateway COMMAND --help` without the command: built from ops/help.json, which `python -m ops.reference` writes.

A command's module imports the log, the database and the bank, which takes longer than its help takes to print. So the
signature of each command is stored as data, and Typer reads it as if it were the function's.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from typer.models import ArgumentInfo, OptionInfo

FILE = Path(__file__).parents[1] / "help.json"
TYPES: dict[str, Any] = {
    str(shape): shape
    for shape in (
        bool, int, float, str, Path, int | None, str | None, Path | None,
        list[str], list[str] | None, list[int] | None,
    )
}  # fmt: skip
"""Name -> type, of every parameter that a command has."""
KINDS: dict[str, type[OptionInfo | ArgumentInfo]] = {"option": OptionInfo, "argument": ArgumentInfo}
GROUP_FIELDS = ("help", "no_args_is_help")


def described(name: str, arguments: list[str]) -> Any:
    """What prints the help of command `name`: a function or a `typer.Typer`.

    None unless `arguments`, those after the name, are `--help` or `SUBCOMMAND --help`: then the command must run.
    """
    if "--help" not in arguments[:2]:
        return None
    try:
        stored = json.loads(FILE.read_text(encoding="utf-8")).get(name)
    except (OSError, ValueError):  # not written yet: the command prints its own help
        return None
    match arguments:
        case ["--help"] if stored:
            return _group(stored) if "commands" in stored else _function(stored)
        case [child, "--help"] if stored and child in stored.get("commands", {}):
            return _group(stored)
    return None


def description(found: Any) -> dict[str, Any]:
    """What help.json holds of a command: of a function, or of a `typer.Typer` with commands of its own."""
    if not isinstance(found, typer.Typer):
        return _signature(found)
    assert not found.registered_groups, "a group within a group cannot be stored"
    callback = found.registered_callback
    return {
        "group": {
            field: value for field in GROUP_FIELDS if isinstance(value := getattr(found.info, field), bool | str)
        },
        "callback": callback and callback.callback and _signature(callback.callback),
        "invoke_without_command": callback is not None and callback.invoke_without_command is True,
        "commands": {child.name: _signature(child.callback) for child in found.registered_commands},
    }


def _group(stored: dict[str, Any]) -> typer.Typer:
    group = typer.Typer(add_completion=False, **stored["group"])
    if stored["callback"]:
        group.callback(invoke_without_command=stored["invoke_without_command"])(_function(stored["callback"]))
    for name, child in stored["commands"].items():
        group.command(name)(_function(child))
    return group


def _signature(function: Any) -> dict[str, Any]:
    found = inspect.signature(function, eval_str=True).parameters.values()
    shown = [parameter for parameter in found if parameter.annotation is not typer.Context]
    return {"help": inspect.cleandoc(function.__doc__ or ""), "parameters": list(map(_parameter, shown))}


def _parameter(parameter: inspect.Parameter) -> dict[str, Any]:
    shape, info = get_args(parameter.annotation)
    kind = "option" if isinstance(info, OptionInfo) else "argument"
    usual = vars(KINDS[kind](default=...))
    assert str(shape) in TYPES, f"{parameter}: add its type to TYPES"
    return {
        "name": parameter.name,
        "type": str(shape),
        "required": parameter.default is parameter.empty,
        "default": None if parameter.default is parameter.empty else parameter.default,
        "kind": kind,
        "info": {field: value for field, value in vars(info).items() if value != usual[field]},
    }


def _function(stored: dict[str, Any]) -> Callable[..., None]:
    def command(**_: object) -> None:  # of a group it runs before the help of a sub-command, and has nothing to do
        return

    parameters = [
        inspect.Parameter(
            each["name"],
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if each["required"] else each["default"],
            annotation=Annotated[TYPES[each["type"]], KINDS[each["kind"]](**{"default": ...} | each["info"])],
        )
        for each in stored["parameters"]
    ]
    command.__doc__ = stored["help"]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect.signature
    return command
