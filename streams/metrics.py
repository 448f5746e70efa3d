"""What a worker counts, for Prometheus. One call per batch, never per event: the default sensors cost 45 us each."""

from prometheus_client import Counter, Gauge, Histogram

LINES = Counter("weir_worker_lines", "Lines of raw messages processed", ["topic"])
READY = Gauge("weir_worker_ready", "1 when the worker has its partitions and has loaded their state, else 0")
BATCHES = Counter("weir_worker_batches", "Committed transactions", ["topic"])
MISPLACED = Counter("weir_worker_misplaced_lines", "Lines of devices whose key belongs to another partition")
DEAD_LETTERS = Counter("weir_worker_dead_letters", "Lines that became dead letters", ["reason"])
NOTIFICATIONS_DROPPED = Counter(
    "weir_worker_notifications_dropped", "Matches of rules not told, as one message had too many"
)
COMPUTE_SECONDS = Counter("weir_worker_compute_seconds", "CPU time spent computing batches", ["topic"])
COMMIT_SECONDS = Histogram(
    "weir_worker_commit_seconds",
    "Time from computed to committed",
    ["topic"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def batch_done(topic: str, lines: int, compute_seconds: float, commit_seconds: float) -> None:
    """Count one committed batch."""
    LINES.labels(topic).inc(lines)
    BATCHES.labels(topic).inc()
    COMPUTE_SECONDS.labels(topic).inc(compute_seconds)
    COMMIT_SECONDS.labels(topic).observe(commit_seconds)
