"""The auditor: re-derives every state from the events' JSON and compares it with all that is stored elsewhere.

    fold       one order's events -> the rows that must exist, and every rule that was broken on the way
    topic      the events topic, read once and summed; a detailed comparison where the events table's sums differ
    auditor    the tables in slices of the orders, in constant memory
    audit      both, in one snapshot of the database, over two processes
    rebuild    the same fold, written into a shadow schema

It shares no code with `domain.machine` nor with the actor's SQL: a mistake there must not be repeated here.
"""
