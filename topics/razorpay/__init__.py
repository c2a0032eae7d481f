"""The shapes of the Razorpay test double: what its API answers and what its webhooks send. Pure, no I/O.

    public resource (domain/resource.py) + what the double keeps beside it ─► entity ─► answer | webhook payload

A resource is taken as a mapping, whether it came from a row, an event or a reply: instants may be `datetime` or text.
"""
