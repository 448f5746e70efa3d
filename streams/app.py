"""The Faust app: two agents that hand chunks to their lanes. All the work is in ``transaction`` and the processors."""

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import faust
from confluent_kafka import Consumer as KafkaConsumer
from faust.stores import STORES
from faust.transport.drivers import TRANSPORTS
from faust.types import TP

from schemas import topics
from schemas.shards import shard_topic, topics_for
from schemas.tracing import open_tracing
from streams.control import ControlTail
from streams.devices import DevicesProcessor
from streams.enrich.geo import GeoDatabase
from streams.lanes import Lanes
from streams.live import SHORTEST_SECONDS, LiveTopic
from streams.processor import Processor
from streams.profiles import ProfilesProcessor
from streams.settings import WorkerSettings
from streams.tracing import TracedBatches
from streams.transaction import Flow, Source
from streams.transport import Consumer

DEVICES = "devices"
PEOPLE = "people"
_TELL_SECONDS = 1.0
_PLACES_SECONDS = 5.0


class ChunkSchema(faust.Schema[Any, Any]):
    """Passes (run, chunk) through as it is: lanes read bytes themselves."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        """No key."""
        return None

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        """What the transport made."""
        return message.value


class StreamsApp(faust.App):
    """A Faust app with lanes. ``fail`` ends the process with a sentence; transport and store use both."""

    lanes: Lanes
    fail: Callable[[str], None]
    tracing: TracedBatches | None


class _TransportFlow:
    """The lanes' hold on fetching, by way of the transport's consumer thread."""

    def __init__(self, app: StreamsApp) -> None:
        self._app = app

    async def start_partition(self, topic: str, partition: int, run: int, position: int) -> bool:
        return bool(
            await cast(Consumer, self._app.consumer).partitions.start_partition(TP(topic, partition), run, position)
        )

    def throttle(self, topic: str, partition: int, paused: bool) -> None:
        cast(Consumer, self._app.consumer).partitions.throttle(TP(topic, partition), paused)


def create_app(
    settings: WorkerSettings, partitions: int, control: ControlTail, geo: GeoDatabase, fail: Callable[[str], None]
) -> StreamsApp:
    """The app, not started. ``partitions``: of the raw topic. Raises ControlMissing when a topic is not registered."""
    app = _faust_app(settings)
    tracing = open_tracing("worker", settings.otlp_endpoint, settings.trace_sample_ratio)
    app.tracing = TracedBatches(tracing) if tracing is not None else None
    live = LiveTopic(settings.kafka_bootstrap, partitions)
    sources = _sources(settings, partitions, control, geo, live, app.tracing)
    group_reader = KafkaConsumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "group.id": topics.STREAMS_GROUP,
            "enable.auto.commit": False,
            "log_level": 2,
        }
    )
    flow: Flow = _TransportFlow(app)
    threads = ThreadPoolExecutor(2 * partitions, thread_name_prefix="lane")
    app.fail = fail
    app.lanes = Lanes(sources, lambda: flow, group_reader, threads, fail)
    for table, source in sources.items():
        app.Table(table, partitions=partitions, store="partitioned://lanes")
        _attach_agent(app, table, source.topic)
    app.timer(_PLACES_SECONDS)(_look_for_places(geo))
    app.timer(_TELL_SECONDS)(_tell_group(app))
    app.timer(SHORTEST_SECONDS / 2)(_tell_live(app, live))
    return app


def _faust_app(settings: WorkerSettings) -> StreamsApp:
    TRANSPORTS.aliases["chunks"] = "streams.transport:Transport"
    STORES.aliases["partitioned"] = "streams.state:PartitionStore"
    return StreamsApp(
        topics.STREAMS_GROUP,
        broker=f"chunks://{settings.kafka_bootstrap}",
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        key_serializer="raw",
        value_serializer="raw",
        datadir=settings.worker_data,
        web_enabled=False,
        stream_wait_empty=True,
        consumer_group_instance_id=settings.worker_id,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=1024 * 1024,
        broker_session_timeout=settings.worker_session_timeout_seconds,
        broker_heartbeat_interval=settings.worker_session_timeout_seconds / 4,
        broker_rebalance_timeout=20,
        broker_request_timeout=30,
        agent_supervisor="mode.CrashingSupervisor",
    )


def _sources(
    settings: WorkerSettings,
    partitions: int,
    control: ControlTail,
    geo: GeoDatabase,
    live: LiveTopic,
    tracing: TracedBatches | None,
) -> dict[str, Source]:
    """What each table's lanes read and whose logic they run. Raises ControlMissing."""
    shards = settings.clickhouse_shards
    known = {spec.name: control.log(spec.name).epoch for spec in topics_for(shards)}

    def epochs(partition: int) -> dict[str, int]:
        return {spec.name: known[shard_topic(spec.name, partition, shards)] for spec in topics.TOPICS}

    def devices(partition: int) -> Processor:
        return DevicesProcessor(
            partition,
            partitions,
            epochs(partition),
            lambda: control.projects,
            geo.locate,
            lambda: control.rules,
            live.take,
            control.erasures,
        )

    def people(partition: int) -> Processor:
        return ProfilesProcessor(partition, epochs(partition))

    def source(topic: str, changelog: str, make_processor: Callable[[int], Processor]) -> Source:
        return Source(
            topic=topic,
            topic_id=control.log(topic).topic_id,
            epoch=known[topic],
            changelog=changelog,
            group=topics.STREAMS_GROUP,
            bootstrap=settings.kafka_bootstrap,
            make_processor=make_processor,
            tracing=tracing,
            shards=shards,
        )

    return {
        DEVICES: source(topics.RAW, topics.DEVICES_CHANGELOG, devices),
        PEOPLE: source(topics.PROFILE_OPS, topics.PEOPLE_CHANGELOG, people),
    }


def _look_for_places(geo: GeoDatabase) -> Callable[[], Awaitable[None]]:
    """A timer that takes up a geo database that has appeared or changed."""

    async def look() -> None:
        geo.reload_if_changed()

    return look


def _tell_group(app: StreamsApp) -> Callable[[], Awaitable[None]]:
    """A timer that shows the group, and so everybody who looks at lag, how far the lanes have got."""

    async def tell() -> None:
        await cast(Consumer, app.consumer).partitions.tell_group(app.lanes.processed())

    return tell


def _tell_live(app: StreamsApp, live: LiveTopic) -> Callable[[], Awaitable[None]]:
    """A timer that tells who is live, as often as this worker's share of the partitions lets it."""

    async def tell() -> None:
        live.tell(sum(lane.source.topic == topics.RAW for lane in app.lanes.all))

    return tell


def _attach_agent(app: StreamsApp, name: str, topic: str) -> None:
    @app.agent(app.topic(topic, schema=ChunkSchema()), name=f"streams.{name}")
    async def deliver(chunks: Any) -> None:
        async for run, chunk in chunks:
            app.lanes.deliver(run, chunk)
