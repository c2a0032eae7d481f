"""The three services a gateway stands on, run locally without containers: PostgreSQL, Redis, Apache Kafka."""
