"""Session ids that gateway and worker compute alike without asking each other."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256

SESSION_TIMEOUT_MS = 30 * 60_000
"""A session is a device's activity without a gap of more than this, by event time."""
BUCKET_GRACE_MS = 5_000
"""An event this early in a bucket still gets the bucket before, so that a page load is not cut in two."""


def session_bucket(event_time_ms: int) -> int:
    """Number of the half hour that names a session begun at ``event_time_ms``."""
    bucket, into = divmod(event_time_ms, SESSION_TIMEOUT_MS)
    return bucket - 1 if into < BUCKET_GRACE_MS else bucket


@lru_cache(maxsize=4_096)
def session_id(project_id: str, device_id: str, bucket: int, repeat: int = 0) -> str:
    """22 characters: base64url of the first 16 bytes of SHA-256 over ``sess:v1:<project>:<device>:<bucket>``.

    ``repeat`` is 0 for the first session of a device in a bucket; the worker counts it up when that id is taken.
    """
    text = f"sess:v1:{project_id}:{device_id}:{bucket}"
    if repeat:
        text = f"{text}:{repeat}"
    return urlsafe_b64encode(sha256(text.encode()).digest()[:16]).rstrip(b"=").decode()


@lru_cache(maxsize=4_096)
def session_month(bucket: int) -> int:
    """Month (``yyyymm``, UTC) of a bucket. A session keeps it for life: it partitions the sessions table."""
    moment = datetime.fromtimestamp(bucket * SESSION_TIMEOUT_MS / 1000, UTC)
    return moment.year * 100 + moment.month
