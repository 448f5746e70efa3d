"""The daily salts that keep derived device ids from being traced back after a day.

Two are in use at any moment (yesterday's and today's), and tomorrow's exists beforehand, so that no
process ever waits for one at midnight. Older ones are destroyed: here by deleting them, on the topic by
the tombstone that follows (`control.publish`).
"""

import secrets
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from control.models import Salt


def rotate_salts(session: Session, now: datetime) -> bool:
    """Make today's and tomorrow's salt unless they exist, delete those older than yesterday; commits.

    Safe to repeat and to race: of two processes one makes a day's salt and both then use it.

    :param now: an aware time.
    :returns: whether anything changed.
    """
    today = now.astimezone(UTC).date()
    kept = {(today + timedelta(days=offset)).isoformat() for offset in (-1, 0, 1)}
    present = set(session.scalars(select(Salt.day)))
    changed = False
    for day in sorted(kept - present - {(today - timedelta(days=1)).isoformat()}):
        changed |= _make(session, day)
    old = present - kept
    if old:
        session.execute(delete(Salt).where(Salt.day.in_(old)))
        changed = True
    session.commit()
    return changed


def _make(session: Session, day: str) -> bool:
    try:
        with session.begin_nested():
            session.add(Salt(day=day, salt=secrets.token_hex(32)))
    except IntegrityError:
        # Somebody else was quicker; theirs is the day's salt.
        return False
    return True
