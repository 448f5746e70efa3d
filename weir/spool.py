"""What waits in the gateway's spool, as the gateway says, or as its files do when it does not answer."""

from http.client import HTTPException
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel

from weir.services import PATIENT_SECONDS, fetch

_ENVELOPES = "weir_gateway_spool_envelopes"
_BYTES = "weir_gateway_spool_bytes"
_UNREADABLE = "weir_gateway_spool_unreadable_directories"


class SpoolReport(BaseModel):
    """``envelopes`` that Kafka does not have yet, None when no gateway can tell; ``unreadable``: directories of ended
    processes whose content can't be sent.
    """

    envelopes: int | None
    bytes: int
    unreadable: int = 0


def spool_report(gateway_url: str, directory: Path) -> SpoolReport | None:
    """What is in the spool; None when nothing is. Answers within some seconds and never raises."""
    try:
        said = fetch(f"{gateway_url}/metrics", PATIENT_SECONDS)
    except (OSError, HTTPException, UnicodeDecodeError):
        left = sum(map(_size, directory.glob("*/*.segment")))
        return SpoolReport(envelopes=None, bytes=left) if left else None
    report = _parse(said)
    return report if report.envelopes or report.unreadable else None


def _parse(metrics: str) -> SpoolReport:
    values = {
        sample.name: int(sample.value)
        for family in text_string_to_metric_families(metrics)
        if family.name in (_ENVELOPES, _BYTES, _UNREADABLE)
        for sample in family.samples
    }
    return SpoolReport(
        envelopes=values.get(_ENVELOPES, 0), bytes=values.get(_BYTES, 0), unreadable=values.get(_UNREADABLE, 0)
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # sent meanwhile
        return 0
