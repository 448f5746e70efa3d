"""The demo project's clients, in a control database of this home and in one that came from elsewhere."""

import shutil
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from control.clients import authenticate
from control.models import Client
from weir.local.demo_project import DemoProject, add_demo_clients, ensure_demo_project
from weir.prepare import control_database
from weir.settings import Settings


def made(home: Path) -> DemoProject:
    with control_database(Settings(home=home)) as engine:
        return ensure_demo_project(engine, home)


def test_keys_that_were_shown_are_good_beside_those_of_a_restored_database(tmp_path: Path) -> None:
    lost, here = tmp_path / "lost", tmp_path / "here"
    theirs, shown = made(lost), made(here)
    shutil.copy(lost / "control.db", here / "control.db")
    with control_database(Settings(home=here)) as engine:
        for _ in range(2):
            add_demo_clients(engine, here)
        with Session(engine) as session:
            for client in (theirs.write, theirs.read, shown.write, shown.read):
                assert authenticate(session, client.client_id, client.client_secret) is not None
            assert session.scalar(select(func.count()).select_from(Client)) == 4
    # And the next start has nothing to replace.
    assert made(here) == shown


def test_where_nobody_was_shown_any_there_are_none(tmp_path: Path) -> None:
    theirs = made(tmp_path)
    (tmp_path / "demo.json").unlink()
    with control_database(Settings(home=tmp_path)) as engine:
        add_demo_clients(engine, tmp_path)
        with Session(engine) as session:
            assert session.scalar(select(func.count()).select_from(Client)) == 2
            assert authenticate(session, theirs.write.client_id, theirs.write.client_secret) is not None
