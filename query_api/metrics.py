"""What the process tells Prometheus about itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)


class Metrics:
    """Counters of one process; each application has its own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "weir_query_api_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self._request_seconds = Histogram(
            "weir_query_api_request_seconds",
            "Time from a request to its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._query_seconds = Histogram(
            "weir_query_api_query_seconds",
            "Time of a query to the store, waiting for its turn included.",
            ("outcome",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._folded = Counter(
            "weir_query_api_rollup_answers",
            "Overviews and lists, by where they were read: daily rollups, or half hours and events.",
            ("source",),
            registry=self.registry,
        )
        self._sockets = Gauge("weir_query_api_live_sockets", "Live counters that are open.", registry=self.registry)
        self.open_sockets = 0

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request; ``route`` is the pattern, never the path."""
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def query(self, outcome: str, seconds: float) -> None:
        """Count a query: ``done`` or ``failed``."""
        self._query_seconds.labels(outcome).observe(seconds)

    def folded(self, is_daily: bool) -> None:
        """Count an overview or a list, read from daily rollups or not."""
        self._folded.labels("daily" if is_daily else "half_hours").inc()

    @contextmanager
    def socket(self) -> Iterator[None]:
        """Count a socket while it is open."""
        self.open_sockets += 1
        self._sockets.set(self.open_sockets)
        try:
            yield
        finally:
            self.open_sockets -= 1
            self._sockets.set(self.open_sockets)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
