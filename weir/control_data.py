"""Changing control data from the command: committed, and published at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from control.errors import PublishError
from control.publish import Publisher
from weir.errors import WeirError
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
    """A session whose changes are committed and published at its end; nothing of it happens if it fails before.

    :raises WeirError: the control database cannot be used, the change is not possible, or Kafka does not take it.
    """
    with control_database(settings) as engine:
        with Session(engine) as session:
            yield session
            session.commit()
        try:
            Publisher(engine, settings.bootstrap).publish()
        except PublishError as error:
            raise WeirError(
                f"It is saved, but gateways and workers do not know it yet ({str(error).rstrip('.')}): the query API "
                "tells them as soon as it reaches Kafka."
            ) from error
