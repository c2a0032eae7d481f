"""The payment actor: decides every command, one owner for each order at a time.

commands ─► intake ─► folding (domain.decide) ─► store.actor (one transaction) ─► events, replies ─► ack
"""
