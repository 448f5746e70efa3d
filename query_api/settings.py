"""Settings of the query API process."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

_DASHBOARD = Path(__file__).resolve().parents[1] / "dashboard" / "dist"


class QueryApiSettings(BaseSettings):
    """Every field is the variable ``WEIR_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="WEIR_", frozen=True, extra="ignore")

    query_api_host: str = Field("127.0.0.1", description="Address to listen on.")
    query_api_port: int = Field(8051, ge=1, le=65535, description="Port of the API and the page.")
    clickhouse_url: SecretStr = Field(
        SecretStr("http://127.0.0.1:8123"), description="ClickHouse's HTTP address; may carry a user and a password."
    )
    clickhouse_database: str = Field("weir", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="ClickHouse database.")
    database_url: SecretStr = Field(
        SecretStr("sqlite:///.weir/control.db"), description="SQLAlchemy URL of the control database."
    )
    kafka_bootstrap: str = Field("127.0.0.1:9092", description="host:port of Kafka, to publish control data.")
    publish_control: bool = Field(True, description="Whether this process publishes control data to Kafka.")
    dashboard_dir: Path = Field(_DASHBOARD, description="The built page; it is served at /.")

    query_concurrency: int = Field(8, ge=1, le=64, description="Queries sent to ClickHouse at the same time.")
    query_seconds: float = Field(15, gt=0, le=600, description="A query that takes longer is broken off.")
    query_memory_bytes: int = Field(2 * 1024**3, ge=16 * 1024**2, description="Memory one query may take.")
    query_rows: int = Field(2_000_000_000, ge=1, description="Rows one query may read.")
    query_daily_events: int = Field(
        3_000_000,
        ge=0,
        description="With fewer events a period is counted as fast from half hours. 0: always from daily rollups.",
    )
    live_seconds: float = Field(3, gt=0, le=300, description="How often those who look on are told who is live.")
    live_feed: bool = Field(True, description="Whether live visitors are read from Kafka; else only counted.")
    live_sockets: int = Field(1_000, ge=0, description="Live counters that may be open at the same time.")
