"""One file for each thing that is decided on. Each rule: (order, command, at) -> Decision | Rejected."""
