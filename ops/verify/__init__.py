"""The auditor: re-derives every state from the events' JSON and compares it with all that is stored elsewhere.

    fold       one order's events -> the rows that must exist, and every rule that was broken on the way
    topic      the events topic, read once, beside the events table (a process of its own)
    audit      both, in one snapshot of the database, in constant memory
    rebuild    the same fold, written into a shadow schema

It shares no code with `domain.order` nor with the actor's SQL: a mistake there must not be repeated here.
"""
