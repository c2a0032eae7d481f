"""The shapes of the Razorpay test double: the responses of its API and the bodies of its webhooks. Pure, no I/O.

    public resource (domain/resource.py) + what the double stores beside it ─► entity ─► response | webhook payload

A resource is a mapping, from a row, an event or a reply: instants may be `datetime` or text.
"""
