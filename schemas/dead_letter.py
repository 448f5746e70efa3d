"""A dead letter: the original bytes of what could not be processed, with headers that say why and where it was."""

from msgspec import Struct

from schemas import topics
from schemas.envelope import Headers

_FORMAT = topics.FORMAT_VERSION.encode()


class DeadLetter(Struct, frozen=True):
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
        return [
            (topics.HEADER_FORMAT, _FORMAT),
            (topics.DEAD_STAGE, self.stage.encode()),
            (topics.DEAD_REASON, self.reason.encode()),
            (topics.DEAD_DETAIL, self.detail[:500].encode("utf-8", "replace")),
            (topics.DEAD_PROJECT, self.project_id.encode("utf-8", "replace")),
            (topics.DEAD_TOPIC, self.topic.encode()),
            (topics.DEAD_EPOCH, b"%d" % self.epoch),
            (topics.DEAD_PARTITION, b"%d" % self.partition),
            (topics.DEAD_OFFSET, b"%d" % self.offset),
            (topics.DEAD_LINE, b"%d" % self.line),
            (topics.DEAD_STAMP, b"%d" % self.stamp_ms),
            (topics.DEAD_LOG_EPOCH, b"%d" % self.log_epoch),
        ]
