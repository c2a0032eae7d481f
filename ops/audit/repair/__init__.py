"""Repairs of what `gateway verify` finds, and only of that: each is derived from what is still intact.

    findings of one audit ─► plan: Step | Refusal for each ─► printed ─► with --apply: done, logged, stored in `repairs`

A repair never invents: if the records leave more than one possibility, it refuses with the reason. Each step is
idempotent.
"""
