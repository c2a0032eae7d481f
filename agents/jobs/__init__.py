"""The jobs role: counts what happened into Redis, and passes it on to whoever watches live."""
