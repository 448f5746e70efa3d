"""A dead letter: the original bytes of what could not be processed, with headers that say why and where it was."""

from dataclasses import dataclass

from schemas import topics
from schemas.envelope import Headers


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One line (or whole message, ``line`` −1) that could not be processed.

    ``reason`` is a machine-readable word (``not_json``, ``event_too_old``, …), ``detail`` a sentence for people,
    ``stage`` where it happened (``parse``, ``time``, ``step``, ``store``). ``stamp_ms`` is the broker's stamp.
    """

    value: bytes
    stage: str
    reason: str
    detail: str
    project_id: str
    topic: str
    epoch: int
    partition: int
    offset: int
    line: int
    stamp_ms: int
    log_epoch: int

    def headers(self) -> Headers:
        """The Kafka headers of this dead letter; all values are text."""
        values = {
            topics.HEADER_FORMAT: topics.FORMAT_VERSION,
            topics.DEAD_STAGE: self.stage,
            topics.DEAD_REASON: self.reason,
            topics.DEAD_DETAIL: self.detail[:500],
            topics.DEAD_PROJECT: self.project_id,
            topics.DEAD_TOPIC: self.topic,
            topics.DEAD_EPOCH: str(self.epoch),
            topics.DEAD_PARTITION: str(self.partition),
            topics.DEAD_OFFSET: str(self.offset),
            topics.DEAD_LINE: str(self.line),
            topics.DEAD_STAMP: str(self.stamp_ms),
            topics.DEAD_LOG_EPOCH: str(self.log_epoch),
        }
        return [(name, value.encode("utf-8", "replace")) for name, value in values.items()]
