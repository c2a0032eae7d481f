"""Webhook endpoints and deliveries: planning, recording, reading, bulk jobs, upkeep."""
