"""One file for each resource. Each rule: (order, command, at) -> Decision | Rejected."""
