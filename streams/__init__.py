"""The stream workers: raw events in, rows for ClickHouse out, in one Kafka transaction with the state they change."""
