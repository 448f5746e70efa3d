"""A worker's settings, from the environment (prefix ``WEIR_``)."""

import os
import socket
from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class WorkerSettings(BaseSettings):
    """``kafka_bootstrap``: ``host:port``, comma-separated. ``geo_database``: an mmdb file or a folder of them, which
    may appear later. ``worker_id``: names this worker among its like for static membership: a restart within the
    session timeout keeps its partitions. ``worker_metrics_port``: 0 for none. ``tick_seconds``: how often time is
    told to the log. ``clickhouse_shards``: of the store; with more than one, rows go to topics of each shard's own.
    ``otlp_endpoint``: where traces are sent, none if empty; ``trace_sample_ratio``: how many of those
    that begin here are taken (those of a gateway's are taken as it says).
    """

    model_config = SettingsConfigDict(env_prefix="WEIR_", frozen=True, extra="ignore", populate_by_name=True)

    kafka_bootstrap: str = "127.0.0.1:9092"
    geo_database: Path = Path(".weir/geo")
    worker_id: str = Field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    worker_metrics_host: str = "127.0.0.1"
    worker_metrics_port: int = 0
    worker_session_timeout_seconds: float = 7.0
    worker_data: Path = Path(".weir/worker")
    tick_seconds: float = 30.0
    clickhouse_shards: int = Field(1, ge=1, le=1024)
    otlp_endpoint: str = Field("", validation_alias=AliasChoices("WEIR_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"))
    trace_sample_ratio: float = Field(
        1.0, ge=0, le=1, validation_alias=AliasChoices("WEIR_TRACE_SAMPLE_RATIO", "OTEL_TRACES_SAMPLER_ARG")
    )
