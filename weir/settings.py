"""Settings of the `weir` command and the local stack it starts."""

import os
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.log_lines import LogFormat

LOOPBACK = "127.0.0.1"
_HOME = ".weir"
_PREFIX = "WEIR_"
_HASHED = "hash:"


def default_home(directory: Path, checkout: Path) -> Path:
    """The home of a command called in ``directory``: the one that is there; else the checkout's, if Weir runs from one,
    so that the same stack is meant wherever the command is called; else one to be made in ``directory``.
    """
    here = directory / _HOME
    return checkout / _HOME if not here.exists() and (checkout / "pyproject.toml").is_file() else here


def _home() -> Path:
    return default_home(Path.cwd(), Path(__file__).resolve().parents[1])


class Settings(BaseSettings):
    """Read once when a command starts; every field is the variable `WEIR_<NAME>`.

    The ports are those of the local stack. A service address that is set wins over its port, so that
    the same commands (`weir topics`, `weir migrate`, `weir audit`, `weir status`) work against servers.
    """

    model_config = SettingsConfigDict(env_prefix="WEIR_", frozen=True, extra="ignore")

    home: Path = Field(
        default_factory=_home,
        description="Data directory of the local stack; by default .weir in the working directory if it is there, else "
        "in the checkout.",
    )
    broker_port: int = Field(9092, ge=1, le=65535, description="Port of the local Kafka broker.")
    controller_port: int = Field(9093, ge=1, le=65535, description="Port of the local broker's controller.")
    store_port: int = Field(8123, ge=1, le=65535, description="HTTP port of the embedded ClickHouse.")
    gateway_port: int = Field(8050, ge=1, le=65535, description="HTTP port of the gateway.")
    query_api_port: int = Field(8051, ge=1, le=65535, description="HTTP port of the query API and the page.")
    worker_metrics_port: int = Field(
        8060, ge=1, le=65535 - 64, description="Port of the first worker's metrics; each further worker's is one more."
    )
    workers: int = Field(1, ge=1, le=64, description="Stream workers the supervisor starts.")
    gateway_processes: int = Field(1, ge=1, le=64, description="Processes of the gateway.")
    kafka_jars: Path | None = Field(
        None, description="Folder of the broker's jars; by default kafka/jars in the home directory."
    )
    broker_heap: str = Field("512m", description="Heap of the local broker, as Java's -Xmx takes it.")
    page_build: bool = Field(True, description="Build page and tracker script at a start when their sources are newer.")
    geo_download: bool = Field(True, description="Fetch the city database in the background of the first start.")
    geo_database: Path | None = Field(
        None,
        description="MaxMind-format city database: a file, or a folder of them; by default geo/ in the home directory.",
    )
    partitions: int = Field(8, ge=1, le=1024, description="Partitions of the raw topic when it is created.")
    replication: int | None = Field(
        None, ge=1, le=9, description="Copies of each partition; by default three, or as many brokers as there are."
    )
    kafka_bootstrap: str | None = Field(None, description="host:port of Kafka; by default the local broker's port.")
    clickhouse_url: SecretStr | None = Field(
        None, description="ClickHouse's HTTP address; by default the local store's port."
    )
    clickhouse_database: str = Field("weir", description="ClickHouse database.")
    auditor: bool = Field(True, description="Whether the auditor is started.")
    auditor_metrics_port: int = Field(8055, ge=1, le=65535, description="Port of the auditor's metrics and health.")
    backup_location: Path | None = Field(
        None,
        description="Folder of backups, which ClickHouse has to see too; by default backups/ in the home directory.",
    )
    archive_location: str = Field(
        "", description="Where the raw log is archived: a folder or an s3:// address; empty for no archive."
    )
    archive_metrics_port: int = Field(8054, ge=1, le=65535, description="Port of the archive's metrics.")
    database_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of the control database; by default SQLite in the home directory."
    )

    @property
    def bootstrap(self) -> str:
        """host:port of Kafka."""
        return self.kafka_bootstrap or f"{LOOPBACK}:{self.broker_port}"

    @property
    def store_url(self) -> str:
        """HTTP address of ClickHouse; may carry a password."""
        if self.clickhouse_url is not None:
            return self.clickhouse_url.get_secret_value()
        return f"http://{LOOPBACK}:{self.store_port}"

    @property
    def gateway_url(self) -> str:
        """HTTP address of the local gateway."""
        return f"http://{LOOPBACK}:{self.gateway_port}"

    @property
    def query_api_url(self) -> str:
        """HTTP address of the local query API and the page."""
        return f"http://{LOOPBACK}:{self.query_api_port}"

    @property
    def control_url(self) -> str:
        """SQLAlchemy URL of the control database; may carry a password."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{(self.home / 'control.db').resolve()}"

    @property
    def jars(self) -> Path:
        """Folder of the local broker's jars."""
        return (self.kafka_jars or self.home / "kafka" / "jars").resolve()

    @property
    def backups(self) -> Path:
        """Folder of backups."""
        return (self.backup_location or self.home / "backups").resolve()

    @property
    def geo(self) -> Path:
        """Where the city database is, or will be: a file, or a folder of .mmdb files."""
        return (self.geo_database or self.home / "geo").resolve()


class LogSettings(BaseSettings):
    """What every service of ours reads before anything else."""

    model_config = SettingsConfigDict(env_prefix="WEIR_", frozen=True, extra="ignore")

    log_format: LogFormat = Field("text", description="Log lines of the services: text, or json for programs.")


def load() -> Settings:
    """The settings of this process, from its environment.

    :raises pydantic.ValidationError: a variable has a value that cannot be used.
    """
    return Settings()


def service_environment(settings: Settings) -> dict[str, str]:
    """The environment of the services the supervisor starts: its own, and where everything is."""
    return {**os.environ, **_spelt_out(settings)}


def _spelt_out(settings: Settings) -> dict[str, str]:
    return {
        "WEIR_HOME": str(settings.home.resolve()),
        "WEIR_BROKER_PORT": str(settings.broker_port),
        "WEIR_CONTROLLER_PORT": str(settings.controller_port),
        "WEIR_STORE_PORT": str(settings.store_port),
        "WEIR_STORE_DATA": str((settings.home / "store").resolve()),
        "WEIR_STORE_BACKUPS": str(settings.backups),
        "WEIR_GATEWAY_PORT": str(settings.gateway_port),
        "WEIR_GATEWAY_PROCESSES": str(settings.gateway_processes),
        "WEIR_GATEWAY_SPOOL_DIRECTORY": str((settings.home / "spool").resolve()),
        "WEIR_QUERY_API_PORT": str(settings.query_api_port),
        "WEIR_KAFKA_BOOTSTRAP": settings.bootstrap,
        "WEIR_CLICKHOUSE_URL": settings.store_url,
        "WEIR_CLICKHOUSE_DATABASE": settings.clickhouse_database,
        "WEIR_DATABASE_URL": settings.control_url,
        "WEIR_GEO_DATABASE": str(settings.geo),
        # A service's output goes to a file; lines must get there when they are written.
        "PYTHONUNBUFFERED": "1",
    }


def in_force(settings: Settings) -> dict[str, str]:
    """All settings of a stack that is started now, by variable, to be written down: of what is not the local stack's
    own, and of what may hold a password, only a hash.
    """
    others = {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}
    own = {_PREFIX + name.upper(): value for name, value in settings}
    told = {**others, **{name: str(value) for name, value in own.items()}, **_spelt_out(settings)}
    return {
        name: value if name in own and not isinstance(own[name], SecretStr) and name not in _SECRET else _hash(value)
        for name, value in sorted(told.items())
        if name.startswith(_PREFIX) and (name not in own or own[name] is not None or name in _spelt_out(settings))
    }


_SECRET = frozenset({"WEIR_CLICKHOUSE_URL", "WEIR_DATABASE_URL"})


def _hash(value: str) -> str:
    return _HASHED + blake2b(value.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """What differs between two of `in_force`, a line each."""
    for name in sorted({*before, *now}):
        if before.get(name) == now.get(name):
            continue
        was, is_ = (_shown(values.get(name)) for values in (before, now))
        yield f"{name} is {is_}, and it runs with {was}" if was and is_ else f"{name} is set otherwise"


def _shown(value: str | None) -> str:
    if value is None:
        return "not set"
    return "" if value.startswith(_HASHED) else value or "empty"
