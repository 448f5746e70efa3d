"""What the gateway counts. One process keeps its numbers to itself; several share them through files."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LINES = (1, 2, 5, 10, 20, 50, 100, 200)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """The gateway's numbers. ``directory``: where several processes share them; None for a single one."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        registry = self._registry = CollectorRegistry()
        self.accepted = Counter(
            "weir_gateway_events", "Events durable in Kafka and answered.", ["protocol", "kind"], registry=registry
        )
        self.refused = Counter(
            "weir_gateway_refusals", "Requests refused.", ["protocol", "status", "reason"], registry=registry
        )
        self.envelopes = Counter(
            "weir_gateway_envelopes", "Envelopes by what became of them.", ["outcome"], registry=registry
        )
        self.lines = Histogram(
            "weir_gateway_envelope_lines", "Events in an envelope.", buckets=_LINES, registry=registry
        )
        self.delivery = Histogram(
            "weir_gateway_delivery_seconds",
            "From closing an envelope to Kafka's word.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "weir_gateway_in_flight_bytes",
            "Events taken and not yet acknowledged by Kafka.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._spool_metrics(registry)

    def _spool_metrics(self, registry: CollectorRegistry) -> None:
        self.spooled = Counter(
            "weir_gateway_spooled_envelopes", "Envelopes written to disk while Kafka was away.", registry=registry
        )
        self.spool_drained = Counter(
            "weir_gateway_spool_drained_envelopes", "Envelopes that Kafka has from the spool.", registry=registry
        )
        self.spool_refused = Counter(
            "weir_gateway_spool_refused_envelopes", "Envelopes the spool did not take.", ["reason"], registry=registry
        )
        self.spool_damaged_bytes = Counter(
            "weir_gateway_spool_damaged_bytes",
            "Bytes that an ended process left in the spool and that are not what was written.",
            registry=registry,
        )
        self.spool_lost = Counter(
            "weir_gateway_spool_lost_envelopes", "Envelopes of the spool that are damaged and lost.", registry=registry
        )
        self.spool_unreadable = Gauge(
            "weir_gateway_spool_unreadable_directories",
            "Directories of ended processes that cannot be read.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.spool_bytes = Gauge(
            "weir_gateway_spool_bytes", "Size of the spool on disk.", registry=registry, multiprocess_mode="livesum"
        )
        self.spool_envelopes = Gauge(
            "weir_gateway_spool_envelopes",
            "Envelopes on disk that Kafka does not have.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.spool_age = Gauge(
            "weir_gateway_spool_oldest_seconds",
            "Age of the oldest segment of the spool.",
            registry=registry,
            multiprocess_mode="livemax",
        )

    def render(self) -> bytes:
        """All numbers in Prometheus' text format, summed over the processes of this gateway. Reads files then."""
        if self._directory is None:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared, path=str(self._directory))  # type: ignore[no-untyped-call]  # the library has no types here
        return generate_latest(shared)
