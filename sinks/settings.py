"""Settings of the store process, and of everything that talks to the store."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from sinks.store.memory import SMALLEST


class StoreSettings(BaseSettings):
    """The embedded ClickHouse. Every field is the variable ``WEIR_STORE_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="WEIR_STORE_", frozen=True, extra="ignore")

    data: Path = Field(Path(".weir/store"), description="Data directory; one process at a time.")
    backups: Path | None = Field(None, description="Folder of backups; by default backups/ in the data directory.")
    host: Literal["127.0.0.1", "::1", "localhost"] = Field(
        "127.0.0.1", description="Loopback only: the embedded engine has no users and no passwords."
    )
    port: int = Field(8123, ge=1, le=65535, description="HTTP port, ClickHouse's own protocol.")
    allowed_hosts: str = Field(
        "", description="Names besides localhost and loopback addresses by which clients may call it, with commas."
    )
    concurrency: int = Field(16, ge=1, le=256, description="Queries running at the same time; more wait.")
    max_body_bytes: int = Field(
        512 * 1024 * 1024, ge=1024, description="Largest request body, before and after decompression."
    )
    memory_bytes: int | None = Field(
        None,
        ge=SMALLEST,
        description="Memory the engine may take; by default half of the machine's, or of the container's.",
    )
    query_memory_bytes: int | None = Field(
        None, ge=16 * 1024 * 1024, description="Memory one query may take; by default half of the engine's."
    )
    keep_free_bytes: int = Field(
        256 * 1024 * 1024,
        ge=0,
        description="With less room than this on its disk the store takes no more rows; reads go on.",
    )
    log_level: Literal["trace", "debug", "information", "warning", "error", "fatal"] = Field(
        "fatal",
        description="What the engine itself writes to standard error; a refused query is an error to it.",
    )
    kafka_session_timeout_ms: int = Field(
        6000, ge=1000, description="After a kill, the next process consumes when this has passed."
    )
    kafka_heartbeat_interval_ms: int = Field(1500, ge=100, description="Heartbeat of the Kafka consumers.")


class AuditorSettings(BaseSettings):
    """The auditor. Every field is the variable ``WEIR_AUDITOR_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="WEIR_AUDITOR_", frozen=True, extra="ignore")

    interval_seconds: float = Field(300, ge=1, description="From the beginning of a round to that of the next.")
    patience_seconds: float = Field(60, ge=0, description="How long workers and ClickHouse may take to catch up.")
    quiet_seconds: float = Field(60, ge=0, description="Rollups are compared in hours that did not change for so long.")
    complete_hours: float = Field(24, ge=0, description="How often everything is compared message by message.")
    sweep_days: float = Field(7, ge=0, description="How often hours are compared whose rows have not changed.")
    rows_per_round: int = Field(
        20_000_000, ge=1, description="Rows of a table compared with each of its rollups in a round; more wait."
    )
    retention: bool = Field(True, description="Whether rows that are older than their project keeps them are taken.")
    metrics_host: str = Field("127.0.0.1", description="Address of metrics and health.")
    metrics_port: int = Field(8055, ge=0, le=65535, description="Port of metrics and health.")


class SinkSettings(BaseSettings):
    """Where ClickHouse and Kafka are. Every field is the variable ``WEIR_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="WEIR_", frozen=True, extra="ignore")

    clickhouse_url: SecretStr = Field(
        SecretStr("http://127.0.0.1:8123"), description="ClickHouse's HTTP address; may carry a password."
    )
    clickhouse_database: str = Field("weir", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="ClickHouse database.")
    clickhouse_cluster: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$",
        description="Name of the cluster; none for a single node.",
    )
    clickhouse_consumers: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$",
        description="Name of the cluster of those nodes that consume, one a shard; by default the cluster itself.",
    )
    clickhouse_shards: int = Field(
        1, ge=1, le=1024, description="Shards of the cluster; with more than one, each consumes topics of its own."
    )
    kafka_bootstrap: str = Field("127.0.0.1:9092", description="host:port of Kafka.")
    store_kafka_bootstrap: str | None = Field(
        None, description="host:port of Kafka as ClickHouse reaches it, where that differs."
    )

    @model_validator(mode="after")
    def _shards_are_a_clusters(self) -> Self:
        if self.clickhouse_shards > 1 and self.clickhouse_cluster is None:
            raise ValueError("more than one shard needs a cluster: set WEIR_CLICKHOUSE_CLUSTER, too")
        return self

    @property
    def bootstrap_for_store(self) -> str:
        """host:port that goes into the Kafka tables."""
        return self.store_kafka_bootstrap or self.kafka_bootstrap

    @property
    def local_database(self) -> str:
        """Where a shard of a cluster has its own rows; on a single node there is but one database."""
        return f"{self.clickhouse_database}_local" if self.clickhouse_cluster else self.clickhouse_database

    @property
    def consumers(self) -> str | None:
        """The cluster whose nodes consume; None for a single node."""
        return self.clickhouse_consumers or self.clickhouse_cluster if self.clickhouse_cluster else None
