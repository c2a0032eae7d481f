"""Brings a database up to date with the log: a restored backup, a promoted replica.

    survey      events of the topic that the table lacks ─► schema `recover`, each with the place of its command
    restoring   events without a command on the log: events, inbox and state, from the events topic
    deciding    everything else: the commands are decided again by the actor's own code, and what it would write is
                compared, byte for byte, with what the log already has
    afterwards  the simulated bank's books, webhooks that were never planned, an audit

Nothing is invented: if the log and a new decision differ, nothing is written for that order, and it is reported.
"""
