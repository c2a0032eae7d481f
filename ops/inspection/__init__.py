"""Looking into a running gateway from the command line: topics, journeys, what is stuck, dead letters, live webhooks.

    positions ─► reader ─► records ─► matching (filters, where) ─► masking ─► rendering

Reads for itself, outside every consumer group; the only writers are `dlq` (audited) and `trigger` (an ordinary client).
"""
