"""The embedded ClickHouse, answering on ClickHouse's own HTTP protocol."""
