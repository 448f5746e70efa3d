"""Taking a link back, Weir's own: a device, or another id of a person, means nobody else any more."""

from typing import Any

from ingest.answers import bad_request
from ingest.limits import MAX_PROFILE_ID
from ingest.protocols.protocol import SentEvent
from schemas.raw_event import RawKind

MAX_DEVICE_ID = 128
"""Characters of a device's id, whoever made it."""


def parse_unlink(payload: dict[str, Any]) -> SentEvent:
    """``{"deviceId": …}`` or ``{"alias": …}``. Only who has a client's secret may (``Admission.check_claim``).

    :raises Refusal: 400, unless it names one of the two.
    """
    device_id, alias = payload.get("deviceId", ""), payload.get("alias", "")
    named = [given for given in (device_id, alias) if given]
    if len(named) != 1 or not isinstance(named[0], str):
        raise bad_request("missing_link", "An unlink needs either a deviceId or an alias: a text.")
    if len(named[0]) > (MAX_PROFILE_ID if alias else MAX_DEVICE_ID):
        raise bad_request("invalid_id", "There is no id as long as that.")
    return SentEvent(RawKind.UNLINK, {"alias": alias or ""}, device_id=device_id or "", claims_revenue=True)
