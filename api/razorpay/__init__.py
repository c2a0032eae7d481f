"""A test double for Razorpay: its paths and shapes over our commands, in test mode only (docs/RAZORPAY.md).

    /v1/… ─► app.py (one route a line) ─► bodies, schemas ─► the same commands and rows as /api/v1 ─► entities

It translates, and stores what only it needs; it decides nothing. It refuses what it cannot do, with an explanation.
"""
