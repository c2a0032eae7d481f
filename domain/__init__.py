"""The rules of the gateway, pure: no clock, no randomness, no I/O, no configuration.

    decide(order, command) -> Decision | Rejected      what a command leads to
    evolve(order, event)   -> order                    what an event leaves behind

Everything that varies (time, ids, draws) is part of the command. Standard library only.
"""
