"""What services need before they can serve: topics, tables, the demo project."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from pydantic import SecretStr
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from control.database import migrate, open_database
from control.errors import ControlError
from control.publish import Publisher
from control.salts import rotate_salts
from schemas.shards import topics_for
from sinks.client import connect
from sinks.errors import RestoreUnderWayError, SinkError
from sinks.migrate import migrate as migrate_store
from sinks.settings import SinkSettings
from weir.errors import RESTORE_UNDER_WAY, WeirError
from weir.local.demo_project import ensure_demo_project
from weir.local.home import make_home
from weir.settings import Settings
from weir.topics import TopicReport, ensure_topics


@contextmanager
def control_database(settings: Settings) -> Iterator[Engine]:
    """The migrated control database.

    :raises WeirError: it cannot be opened, or what is done with it fails.
    """
    try:
        if settings.database_url is None:
            make_home(settings.home)
    except OSError as error:
        raise WeirError(
            f"The data directory {settings.home.resolve()} cannot be written ({error.strerror}): make it writable, "
            "or set WEIR_HOME to another directory."
        ) from error
    engine = open_database(settings.control_url)
    try:
        migrate(engine)
        yield engine
    except SQLAlchemyError as error:
        raise WeirError(
            f"The control database {engine.url.render_as_string(hide_password=True)} cannot be used "
            f"({str(error).splitlines()[0]}): check WEIR_DATABASE_URL, or restore it from a backup."
        ) from error
    except ControlError as error:
        raise WeirError(str(error)) from error
    finally:
        engine.dispose()


def make_topics(
    settings: Settings, *, demo: bool = True, apply_settings: bool = False, adopt: bool = False
) -> TopicReport:
    """Topics, epochs, salts, and control data published; with the demo project if wanted. Safe to repeat.

    :param adopt: also when Kafka holds another control database's data, which is then replaced by this one's.
    :raises WeirError: Kafka or the control database does not do its part.
    """
    with control_database(settings) as engine:
        report = ensure_topics(
            settings.bootstrap,
            engine,
            topics_for(sink_settings(settings).clickhouse_shards),
            partitions=settings.partitions,
            replication=settings.replication,
            apply_settings=apply_settings,
            adopt=adopt,
        )
        with Session(engine) as session:
            rotate_salts(session, datetime.now(UTC))
        if demo:
            ensure_demo_project(engine, settings.home)
        Publisher(engine, settings.bootstrap).publish()
    return report


def make_tables(settings: Settings, *, node_only: bool = False) -> int:
    """Migrate ClickHouse; returns how many statements were done. Safe to repeat.

    :param node_only: a new node of a cluster alone.
    :raises WeirError: ClickHouse is away or refuses.
    """
    try:
        with closing(connect(sink_settings(settings))) as client:
            return len(migrate_store(client, sink_settings(settings), node_only=node_only))
    except RestoreUnderWayError as error:
        raise WeirError(str(error), status=RESTORE_UNDER_WAY) from error
    except SinkError as error:
        raise WeirError(str(error)) from error


def sink_settings(settings: Settings) -> SinkSettings:
    """The same addresses, as `sinks` takes them."""
    return SinkSettings(
        clickhouse_url=SecretStr(settings.store_url),
        clickhouse_database=settings.clickhouse_database,
        kafka_bootstrap=settings.bootstrap,
    )
