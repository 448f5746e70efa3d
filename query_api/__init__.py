"""The HTTP API that reads: insights, export and the live counter, and the page in front of them.

Comes in: requests of read and root clients. Goes out: numbers as `docs/definitions.md` defines them. It reads
ClickHouse over HTTP and the control database, and knows neither Kafka's formats nor the stream worker.
"""
