"""PostgreSQL and Redis: migrations, connections, one module of queries for each aggregate. All SQL of the gateway."""
