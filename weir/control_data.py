"""Changing control data from the command: committed, and published at once."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.orm import Session

from control.errors import PublishError
from control.publish import Publisher
from weir.prepare import control_database
from weir.settings import Settings


@contextmanager
def reading(settings: Settings) -> Iterator[Session]:
    """A session to look with.

    :raises WeirError: the control database cannot be used, or what was asked for is not there.
    """
    with control_database(settings) as engine, Session(engine) as session:
        yield session


@contextmanager
def changing(settings: Settings) -> Iterator[Session]:
    """A session whose changes are committed and published at its end; nothing of it happens if it fails before. What
    Kafka does not take now is stored all the same, and said so: it is published by whoever reaches Kafka next.

    :raises WeirError: the control database cannot be used, the change is not possible, or Kafka holds another control
        database's data.
    """
    with control_database(settings) as engine:
        publisher = Publisher(engine, settings.bootstrap)
        with Session(engine) as session:
            yield session
            is_reached = _is_reached(publisher)
            session.commit()
        try:
            if is_reached:
                publisher.publish()
        except PublishError:
            is_reached = False
        if not is_reached:
            click.echo(
                "It is stored, but gateways and workers do not know it yet, for Kafka does not take it (see weir "
                "status): the query API publishes it within seconds of reaching Kafka, and so does weir up.",
                err=True,
            )


def _is_reached(publisher: Publisher) -> bool:
    try:
        publisher.check_owner()
    except PublishError:
        return False
    return True
