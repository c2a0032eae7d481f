"""Analytics: what is measured, the rollups, and the queries that read them."""
