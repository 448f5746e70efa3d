"""Whether an archive holds what it says, part by part, and joins the log without a gap."""

from collections.abc import Callable
from dataclasses import dataclass

from confluent_kafka import TopicPartition

from schemas.topics import RAW
from streams.archive.chain import Chain, read_chains
from streams.archive.part import BadPart, decode
from streams.archive.place import ArchivePlace
from streams.archive.run import raw_consumer

_ASK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Verified:
    """One partition of one epoch: what is archived, and what is wrong with it. ``behind``: offsets of the log that are
    not archived yet, None for a log that is no more.
    """

    epoch: int
    partition: int
    start: int
    end: int
    parts: int
    messages: int
    behind: int | None
    problems: tuple[str, ...]


def verify(
    bootstrap: str, place: ArchivePlace, epoch: int, progress: Callable[[str], None] | None = None
) -> list[Verified]:
    """Read every part of the archive. ``epoch``: the raw topic's present one. Changes nothing.

    :raises KafkaException: Kafka does not answer.
    """
    found = read_chains(place)
    reach = _reach(bootstrap)
    verified = [
        _verify(place, chain, reach.get(chain.partition) if chain.epoch == epoch else None, progress) for chain in found
    ]
    archived = {chain.partition for chain in found if chain.epoch == epoch}
    for partition, (low, high) in reach.items():
        if partition not in archived and low < high:
            verified.append(Verified(epoch, partition, low, low, 0, 0, high - low, ()))
    return verified


def _verify(
    place: ArchivePlace, chain: Chain, log: tuple[int, int] | None, progress: Callable[[str], None] | None
) -> Verified:
    problems = [f"offsets {start} to {end - 1} are missing" for start, end in chain.gaps]
    messages, reached = 0, chain.start
    for part in chain.parts:
        if progress is not None:
            progress(part.name)
        try:
            with place.open(part.name) as file:
                for group in decode(part, file):
                    messages += sum(message.offset >= reached for message in group)
        except (BadPart, OSError) as error:
            problems.append(str(error))
        reached = max(reached, part.end)
    behind = None
    if log is not None:
        low, high = log
        behind = max(high - chain.end, 0)
        if chain.end < low:
            problems.append(f"offsets {chain.end} to {low - 1} have left the log and were not archived")
        if chain.end > high:
            problems.append(f"the log ends at {high}, the archive at {chain.end}: the log was cut")
    return Verified(
        chain.epoch, chain.partition, chain.start, chain.end, len(chain.parts), messages, behind, tuple(problems)
    )


def _reach(bootstrap: str) -> dict[int, tuple[int, int]]:
    consumer = raw_consumer(bootstrap)
    try:
        return {
            partition: consumer.get_watermark_offsets(TopicPartition(RAW, partition), _ASK_SECONDS)
            for partition in consumer.list_topics(RAW, _ASK_SECONDS).topics[RAW].partitions
        }
    finally:
        consumer.close()
