"""Salts: today's and tomorrow's always exist, older than yesterday's never."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from control.database import migrate, open_database
from control.models import Salt
from control.salts import rotate_salts

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(st.lists(st.integers(min_value=0, max_value=4), max_size=6))
def test_rotation_keeps_yesterday_today_and_tomorrow_and_never_changes_a_salt(steps: list[int]) -> None:
    engine = open_database("sqlite://")
    migrate(engine)
    now = NOON
    with Session(engine) as session:
        seen: dict[str, str] = {}
        for step in [0, *steps]:
            now += timedelta(days=step)
            changed = rotate_salts(session, now)
            present = {row.day: row.salt for row in session.scalars(select(Salt))}
            today = now.date()
            days = {(today + timedelta(days=offset)).isoformat() for offset in (0, 1)}
            assert days <= set(present) <= days | {(today - timedelta(days=1)).isoformat()}
            assert all(seen.get(day, salt) == salt for day, salt in present.items())
            assert changed == (present != seen)
            seen = present
    engine.dispose()


def test_a_salt_is_32_random_bytes(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/control.db")
    migrate(engine)
    with Session(engine) as session:
        rotate_salts(session, NOON)
        salts = [bytes.fromhex(row.salt) for row in session.scalars(select(Salt))]
    engine.dispose()
    assert [len(salt) for salt in salts] == [32, 32]
    assert salts[0] != salts[1]


def test_a_destroyed_salt_is_gone_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "control.db"
    engine = open_database(f"sqlite:///{file}")
    migrate(engine)
    with Session(engine) as session:
        rotate_salts(session, NOON)
        old = session.get_one(Salt, NOON.date().isoformat()).salt
        rotate_salts(session, NOON + timedelta(days=2))
    engine.dispose()
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert old.encode() not in left
