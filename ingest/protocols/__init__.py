"""The protocols the gateway speaks, one module each. They know no Kafka and no authentication."""
