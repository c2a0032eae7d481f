"""The schema: what migrates it, and what an index that is being built reports."""
