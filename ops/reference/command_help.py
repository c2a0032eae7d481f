"""ops/help.json: the signature of every command, from which its help is printed without importing it."""

from __future__ import annotations

import importlib
import json

from ops.cli import COMMANDS
from ops.console.command_help import description


def help_file() -> str:
    """The whole file, one command after another in the order of the overview."""
    found = {}
    for name, entry in COMMANDS.items():
        module, _, attribute = entry.target.partition(":")
        found[name] = description(getattr(importlib.import_module(module), attribute))
    return json.dumps(found, indent=1) + "\n"
