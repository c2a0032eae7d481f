"""Webhooks: the planner turns events into deliveries, the dispatcher makes attempts, the forwarder brings them back.

payments.events.v1 ─planner─► webhooks.deliveries.v1 ─dispatcher─► merchant
                                        ▲                 ├─► webhooks.retry.<delay>.v1 ─forwarder─┐
                                        └─────────────────┼────────────────────────────────────────┘
                                                          └─► webhooks.dlq.v1
"""
