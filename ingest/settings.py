"""Settings of the gateway; nothing else of it reads the environment."""

import os
from ipaddress import ip_network
from pathlib import Path

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingest.client_ip import FROM_PROXY
from schemas.log_lines import LogFormat

PRIVATE_NETWORKS = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)


_SCRIPTS = Path(__file__).resolve().parents[1] / "sdks" / "tracker" / "dist"


CLIENT_IP_HEADERS = tuple(name.decode() for name in FROM_PROXY)


class GatewaySettings(BaseSettings):
    """The gateway process. Every field is the variable ``WEIR_<NAME>``; lists are JSON."""

    model_config = SettingsConfigDict(env_prefix="WEIR_", frozen=True, extra="ignore", populate_by_name=True)

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="host:port of Kafka, several separated by commas.")
    gateway_host: str = Field("127.0.0.1", description="Address the gateway listens on.")
    gateway_port: int = Field(8050, ge=1, le=65535, description="Port the gateway listens on.")
    gateway_processes: int = Field(1, ge=1, le=64, description="Processes that share the port.")
    gateway_linger_ms: float = Field(4.0, ge=0, le=1000, description="How long an envelope stays open for more events.")
    gateway_delivery_timeout_ms: int = Field(
        2_000, ge=100, le=120_000, description="After this an event Kafka did not acknowledge goes to the spool."
    )
    gateway_spool_directory: Path = Field(
        Path(".weir/spool"), description="Where events are kept while Kafka is away; several gateways may share it."
    )
    gateway_spool_bytes: int = Field(
        1024 * 1024 * 1024, ge=0, description="Size of the spool of each process; 0: none, events are answered 503."
    )
    gateway_in_flight_bytes: int = Field(
        24 * 1024 * 1024, ge=2 * 1024 * 1024, description="Events waiting for Kafka, in bytes; more are answered 503."
    )
    gateway_max_body_bytes: int = Field(1_000_000, ge=1_024, description="Largest request body; more is answered 413.")
    gateway_trusted_proxies: tuple[str, ...] = Field(
        PRIVATE_NETWORKS, description="Networks of the proxies whose headers say where a request came from."
    )
    gateway_client_ip_headers: tuple[str, ...] = Field(
        CLIENT_IP_HEADERS, description="Headers in which a trusted proxy says where a request came from, in order."
    )
    gateway_failed_keys_per_second: float = Field(
        20.0,
        ge=0,
        le=1_000_000,
        description="Requests with wrong keys from one address; more are answered 429; 0: all.",
    )
    gateway_session_entries: int = Field(
        65_536, ge=1, description="Live sessions remembered, so that an answer carries their ids."
    )
    gateway_drain_seconds: float = Field(
        5.0, ge=0, description="How long a stopping gateway waits for what it has taken to reach Kafka or the spool."
    )
    log_format: LogFormat = Field("text", description="Log lines: text, or json for programs.")
    otlp_endpoint: str = Field(
        "",
        validation_alias=AliasChoices("WEIR_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Base address of the OpenTelemetry collector (OTLP over HTTP) for traces; none if empty.",
    )
    trace_sample_ratio: float = Field(
        1.0,
        ge=0,
        le=1,
        validation_alias=AliasChoices("WEIR_TRACE_SAMPLE_RATIO", "OTEL_TRACES_SAMPLER_ARG"),
        description="How many of the requests are traced, from 0 to 1.",
    )
    gateway_script_name: str = Field(
        "site.js",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}\.js$",
        description="The tracker script's name beside op1.js; one that no list of trackers knows.",
    )
    gateway_scripts: Path = Field(_SCRIPTS, description="The built tracker script.")
    gateway_metrics_directory: Path | None = Field(
        None, description="Where the processes of one gateway share their counters; set by the gateway itself."
    )
    gateway_child: bool = Field(
        False, description="Stop when standard input ends; set by a gateway of several processes for its own."
    )

    @property
    def client_ip_headers(self) -> tuple[bytes, ...]:
        """The headers as the server names them."""
        return tuple(name.lower().encode("latin-1") for name in self.gateway_client_ip_headers)

    @field_validator("gateway_trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network)
        return value


def child_environment(settings: GatewaySettings, metrics_directory: Path) -> dict[str, str]:
    """Environment of one of several processes: this one's, with ``settings`` spelt out in it."""
    changed = settings.model_copy(
        update={"gateway_processes": 1, "gateway_child": True, "gateway_metrics_directory": metrics_directory}
    )
    spelt = {f"WEIR_{name.upper()}": _spell(value) for name, value in changed.model_dump(mode="json").items()}
    # prometheus_client decides by this variable, when it is imported, that its values are shared between processes.
    return {**os.environ, **spelt, "PROMETHEUS_MULTIPROC_DIR": str(metrics_directory)}


def _spell(value: object) -> str:
    if isinstance(value, list):
        quoted = ", ".join(f'"{entry}"' for entry in value)
        return f"[{quoted}]"
    return str(value)
