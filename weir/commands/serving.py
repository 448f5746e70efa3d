"""What the service commands share: how their log lines look."""

import logging
import sys


def log_to_stderr() -> None:
    """Log lines on standard error: time, level, where, what."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr
    )
    for noisy in ("httpx", "httpcore", "alembic", "faust", "aiokafka", "kafka"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
