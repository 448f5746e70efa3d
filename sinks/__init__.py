"""ClickHouse: the embedded store, migrations, tables that consume Kafka, audit and repair."""
