"""What the service commands share: where their log lines go."""

import logging

from schemas import log_lines
from weir.settings import LogSettings


def log_to_stderr() -> None:
    """Log lines on standard error, as ``WEIR_LOG_FORMAT`` says."""
    log_lines.log_to_stderr(LogSettings().log_format)
    for noisy in ("httpx", "httpcore", "alembic", "faust", "aiokafka", "kafka", "opentelemetry"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
