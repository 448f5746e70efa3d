"""Which incarnation of a topic is the present one.

A topic that was deleted and created again starts at offset 0: whoever remembers offsets would take what is
new for what is known. So every topic's Kafka id is registered with an epoch, and positions compare by
(epoch, offset). Epochs grow by the clock, not by counting: when this database and Kafka's data are both gone
and the store's tables are not, a count would begin anew, and the tables would drop new rows as old ones.
"""

import time
from collections.abc import Callable, Mapping

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from control.models import TopicEpoch
from schemas.control import LogRecord


def register_topics(
    session: Session,
    topic_ids: Mapping[str, str],
    published: Mapping[str, LogRecord],
    clock: Callable[[], float] = time.time,
    partitions: Mapping[str, int] | None = None,
) -> dict[str, LogRecord]:
    """Register each topic's Kafka id; commits. Safe to repeat and to race: all end with the same epochs.

    :param topic_ids: topic name to Kafka's id of it, as text.
    :param published: what ``weir.control`` says at the moment: a database that is new or was restored from
        a backup must not fall behind what others have already seen.
    :param clock: Unix seconds now.
    :param partitions: how many partitions each topic has. Written down once: a number that is there stays while the
        id is the same, whatever Kafka tells.
    :returns: topic name to its record: the same epoch while the id is the same, else a greater one: the Unix
        seconds now, or one more than the last where the clock stands behind it.
    """
    now = int(clock())
    records = {
        topic: _register(session, topic, topic_id, published.get(topic), now) for topic, topic_id in topic_ids.items()
    }
    for topic, record in records.items():
        records[topic] = _count(session, record, published.get(topic), (partitions or {}).get(topic))
    session.commit()
    return records


def _count(session: Session, record: LogRecord, published: LogRecord | None, partitions: int | None) -> LogRecord:
    row = session.get_one(TopicEpoch, record.topic, populate_existing=True)
    if row.partitions is None:
        known = published is not None and published.topic_id == record.topic_id
        row.partitions = (published.partitions if known and published is not None else None) or partitions
        session.flush()
    return record.model_copy(update={"partitions": row.partitions})


def _register(session: Session, topic: str, topic_id: str, published: LogRecord | None, now: int) -> LogRecord:
    told = [(published.epoch, published.topic_id)] if published is not None else []
    while True:
        row = session.get(TopicEpoch, topic, populate_existing=True)
        stored = (row.epoch, row.topic_id) if row is not None else None
        epoch = _epoch(topic_id, [*told, stored] if stored else told, now)
        if stored == (epoch, topic_id) or _store(session, topic, stored, (epoch, topic_id)):
            return LogRecord(topic=topic, topic_id=topic_id, epoch=epoch)


def _store(session: Session, topic: str, stored: tuple[int, str] | None, wanted: tuple[int, str]) -> bool:
    """Write it unless somebody else was quicker; theirs is then looked at first."""
    epoch, topic_id = wanted
    if stored is None:
        try:
            with session.begin_nested():
                session.add(TopicEpoch(topic=topic, topic_id=topic_id, epoch=epoch))
        except IntegrityError:
            return False
        return True
    written = session.scalar(
        update(TopicEpoch)
        .where(TopicEpoch.topic == topic, TopicEpoch.epoch == stored[0], TopicEpoch.topic_id == stored[1])
        .values(topic_id=topic_id, epoch=epoch, partitions=None if topic_id != stored[1] else TopicEpoch.partitions)
        .returning(TopicEpoch.topic)
        .execution_options(synchronize_session=False)
    )
    return written is not None


def _epoch(topic_id: str, known: list[tuple[int, str]], now: int) -> int:
    if not known:
        return now
    newest, newest_id = max(known)
    return newest if newest_id == topic_id else max(newest + 1, now)
