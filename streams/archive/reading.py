"""Raw messages read again: from the log as far back as Kafka keeps it, before that from the archive, in one chain."""

from collections.abc import Iterator
from typing import cast

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from schemas.topics import RAW
from streams.archive.chain import Chain, read_chains
from streams.archive.part import HOUR_MS, RawMessage, decode
from streams.archive.place import ArchivePlace
from streams.archive.run import raw_consumer, raw_message
from streams.chunk import Chunk, SourceMessage
from streams.reading import read_batch

_CHUNK_BYTES = 4 * 1024 * 1024
_READ_MESSAGES = 1_000
_READ_SECONDS = 0.1
_ASK_SECONDS = 30.0


class NotKept(Exception):
    """Neither the log nor the archive holds these messages; the message says which."""


class RawHistory:
    """The raw topic of epoch ``epoch``. All methods block; each raises KafkaException when Kafka does not answer.
    Close it when done.
    """

    def __init__(self, bootstrap: str, epoch: int, place: ArchivePlace | None) -> None:
        self._consumer = raw_consumer(bootstrap)
        self._place = place
        self._chains: dict[int, Chain] = {}
        if place is not None:
            self._chains = {chain.partition: chain for chain in read_chains(place, epoch)}

    def close(self) -> None:
        """End the reader."""
        self._consumer.close()

    def partitions(self) -> list[int]:
        """The partitions of the raw topic."""
        return sorted(self._consumer.list_topics(RAW, _ASK_SECONDS).topics[RAW].partitions)

    def reach(self, partition: int) -> tuple[int, int]:
        """The offsets that can be read, from the oldest that joins the log to the log's end."""
        low, high = self._consumer.get_watermark_offsets(TopicPartition(RAW, partition), _ASK_SECONDS)
        chain = self._chains.get(partition)
        if chain is None or chain.end < low:
            return low, high
        after_gaps = max((end for _, end in chain.gaps if end <= low), default=chain.start)
        return min(low, after_gaps), high

    def offset_at(self, partition: int, stamp: int) -> int:
        """The first offset that can be read whose message came at ``stamp`` (milliseconds) or later; the log's end if
        none did.
        """
        start, high = self.reach(partition)
        low = self._low(partition)
        if start < low:
            found = self._archived_at(partition, stamp, start, low)
            if found is not None:
                return found
        (place,) = self._consumer.offsets_for_times([TopicPartition(RAW, partition, stamp)], _ASK_SECONDS)
        return place.offset if place.offset >= 0 else high

    def chunks(self, partition: int, start: int, end: int) -> Iterator[Chunk]:
        """The messages in [``start``, ``end``) as adjoining chunks; ``end``: no further than all is committed.

        :raises NotKept: ``start`` lies before what can be read, or ``end`` beyond it.
        :raises streams.archive.part.BadPart: a part of the archive is damaged.
        """
        first, high = self.reach(partition)
        if start < first or end > high:
            raise NotKept(f"{RAW}/{partition} can be read from {first} to {high}, not from {start} to {end}.")
        low = self._low(partition)
        if start < min(low, end):
            yield from self._archived(partition, start, min(low, end))
        if max(start, low) < end:
            yield from self._logged(partition, max(start, low), end)

    def _low(self, partition: int) -> int:
        return self._consumer.get_watermark_offsets(TopicPartition(RAW, partition), _ASK_SECONDS)[0]

    def _archived_at(self, partition: int, stamp: int, start: int, end: int) -> int | None:
        for part in self._chains[partition].parts:
            if part.hour < stamp // HOUR_MS or part.end <= start or part.start >= end:
                continue
            for chunk in self._archived(partition, max(part.start, start), min(part.end, end)):
                for message in chunk.messages:
                    if message.timestamp >= stamp:
                        return message.offset
        return None

    def _archived(self, partition: int, start: int, end: int) -> Iterator[Chunk]:
        """From the archive: each offset once, even where parts overlap."""
        place = cast(ArchivePlace, self._place)
        for part in self._chains[partition].parts:
            if part.end <= start or part.start >= end:
                continue
            with place.open(part.name) as file:
                for group in decode(part, file):
                    upto = min(group[-1].offset + 1, end) if group else start
                    wanted = [message for message in group if start <= message.offset < end]
                    if wanted:
                        yield Chunk(RAW, partition, start, cast(list[SourceMessage], wanted), upto)
                        start = upto
            upto = min(part.end, end)
            if start < upto:
                yield Chunk(RAW, partition, start, [], upto)
                start = upto

    def _logged(self, partition: int, start: int, end: int) -> Iterator[Chunk]:
        self._consumer.assign([TopicPartition(RAW, partition, start)])
        messages: list[RawMessage] = []
        size, reached = 0, start
        try:
            while reached < end:
                for message in read_batch(self._consumer, _READ_MESSAGES, _READ_SECONDS):
                    error = message.error()
                    if error is not None:
                        if error.code() != KafkaError._PARTITION_EOF:
                            raise KafkaException(error)
                        reached = end  # the offsets that are left hold no message
                        continue
                    taken = raw_message(message)
                    if taken.offset >= end:
                        reached = end
                    elif taken.offset >= reached:
                        messages.append(taken)
                        size += taken.size
                        reached = taken.offset + 1
                if messages and (size >= _CHUNK_BYTES or reached >= end):
                    yield Chunk(RAW, partition, start, cast(list[SourceMessage], messages), reached)
                    start, messages, size = reached, [], 0
            if start < end:
                yield Chunk(RAW, partition, start, [], end)
        finally:
            self._consumer.unassign()
