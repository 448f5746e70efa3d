"""The schema as a cluster is told it, written beside this file: ``python -m tests.contract.sinks.cluster_schema``
writes it anew after a migration was added. What a migration means for a cluster is thereby seen when it is reviewed.
"""

from pathlib import Path

from sinks.migrate import every_statement
from sinks.settings import SinkSettings

FOLDER = Path(__file__).with_name("golden")
SETTINGS = SinkSettings.model_construct(
    clickhouse_database="weir",
    clickhouse_cluster="weir",
    clickhouse_consumers="weir_consumers",
    clickhouse_shards=2,
    kafka_bootstrap="kafka:9092",
    store_kafka_bootstrap=None,
)


def golden_files() -> dict[str, str]:
    """Name and text of each file: one for each migration, and one for what comes before the first."""
    found: dict[str, list[str]] = {}
    for file, sql in every_statement(SETTINGS):
        found.setdefault(file or "0000_first.sql", []).append(f"{sql};\n")
    return {name: "\n".join(parts) for name, parts in found.items()}


def main() -> None:
    """Write the files, and remove those that are none any more."""
    FOLDER.mkdir(exist_ok=True)
    wanted = golden_files()
    for path in FOLDER.glob("*.sql"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
