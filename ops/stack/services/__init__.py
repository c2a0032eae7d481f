"""The three services that a gateway needs, run locally without containers: PostgreSQL, Redis, Apache Kafka."""
