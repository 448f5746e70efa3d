"""Where OpenPanel's requests, and Weir's own batches of them, are taken."""

from collections.abc import Mapping

from ingest.protocols.batch import BATCH
from ingest.protocols.openpanel import TRACK
from ingest.protocols.openpanel_legacy import (
    DECREMENT,
    EVENT,
    IDENTIFY,
    INCREMENT,
    PROFILE,
    PROFILE_DECREMENT,
    PROFILE_INCREMENT,
    PROFILE_UNLINK,
)
from ingest.protocols.openpanel_questions import DEVICE_ID
from ingest.protocols.pixel import PIXEL
from ingest.protocols.protocol import Protocol

_PATHS: Mapping[str, Protocol] = {
    "/track": TRACK,
    "/track/batch": BATCH,
    "/track/device-id": DEVICE_ID,
    "/track/pixel.gif": PIXEL,
    "/event": EVENT,
    "/profile": PROFILE,
    "/profile/increment": PROFILE_INCREMENT,
    "/profile/decrement": PROFILE_DECREMENT,
    "/profile/unlink": PROFILE_UNLINK,
    "/identify": IDENTIFY,
    "/increment": INCREMENT,
    "/decrement": DECREMENT,
}

ROUTES: Mapping[str, Protocol] = {
    prefix + path: protocol for prefix in ("", "/openpanel") for path, protocol in _PATHS.items()
}
