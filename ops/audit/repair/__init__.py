"""Repairs of what `gateway verify` finds, and only of that: each is derived from what is still intact.

    findings of one audit ─► plan: Step | Refusal for each ─► printed ─► with --apply: done, logged, noted in `repairs`

A repair never invents: where the records leave more than one possibility, it refuses and says why. Each step changes
nothing when it is made a second time.
"""
