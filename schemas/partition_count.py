"""How many partitions a topic has: not what a broker that does not know all of them yet says first."""

from collections.abc import Collection


def settled_count(found: Collection[int], registered: int | None) -> int:
    """The number of partitions to go by, 0 while it is not known.

    :param found: the partitions that Kafka tells of.
    :param registered: how many the topic was registered with (`schemas.control.LogRecord.partitions`); None when that
        was not written down, 0 while it is not known. More than these are nobody's: devices, rows and state belong to
        their partition for ever.
    """
    count = len(found)
    if set(found) != set(range(count)):
        return 0
    if registered is None:
        return count
    return registered if registered <= count else 0
