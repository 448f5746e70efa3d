"""Creating Weir's topics, and registering which incarnation of each is the present one."""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
    TopicDescription,
    TopicMetadata,
)
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from control.epochs import register_topics
from control.models import TopicEpoch
from control.publish import Publisher
from control.topic import log_records, read_published
from schemas.partition_count import settled_count
from schemas.topics import RAW, TopicSpec
from weir.errors import WeirError

TIMEOUT_SECONDS = 30.0
_MOST_REPLICAS = 3


@dataclass(frozen=True)
class Difference:
    """A topic that exists and is not as we would create it."""

    topic: str
    setting: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.setting} is {self.found}, we would set {self.wanted}"


@dataclass(frozen=True)
class TopicReport:
    """What `ensure_topics` did and saw. ``renewed``: topics that were others when they were last registered."""

    created: tuple[str, ...]
    differences: tuple[Difference, ...]
    epochs: dict[str, int]
    renewed: tuple[str, ...]


def ensure_topics(
    bootstrap: str,
    engine: Engine,
    specs: Sequence[TopicSpec],
    *,
    partitions: int,
    replication: int | None = None,
    apply_settings: bool = False,
    adopt: bool = False,
) -> TopicReport:
    """Create the topics that are missing, register every topic's epoch and publish it. Safe to repeat.

    A partition count is never changed: rows, state and positions belong to their partition for ever.

    :param partitions: of the raw topic when it is created here; the others get as many as it has.
    :param replication: by default three, or as many brokers as there are.
    :param apply_settings: also set what differs, instead of only telling it.
    :param adopt: publish although ``weir.control`` belongs to another control database.
    :raises WeirError: Kafka does not answer or refuses.
    :raises control.errors.ControlError: the epochs cannot be published.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    try:
        created = _create_missing(admin, specs, partitions, replication, _registered(engine, RAW))
        differences = _differences(admin, specs)
        if apply_settings:
            differences = _apply(admin, differences)
        ids = _topic_ids(admin, [spec.name for spec in specs])
        counts = {
            name: len(topic.partitions) for name, topic in admin.list_topics(timeout=TIMEOUT_SECONDS).topics.items()
        }
    except KafkaException as error:
        raise WeirError(f"Kafka at {bootstrap} did not do what `weir topics` asked: {error}.") from error
    published = log_records(read_published(bootstrap))
    with Session(engine) as session:
        records = register_topics(session, ids, published, partitions=counts)
    Publisher(engine, bootstrap, adopt=adopt).publish()
    epochs = {topic: record.epoch for topic, record in records.items()}
    renewed = tuple(name for name, old in published.items() if ids.get(name, old.topic_id) != old.topic_id)
    return TopicReport(tuple(created), tuple(differences), epochs, renewed)


def _registered(engine: Engine, topic: str) -> TopicEpoch | None:
    with Session(engine, expire_on_commit=False) as session:
        return session.get(TopicEpoch, topic)


def _create_missing(
    admin: AdminClient,
    specs: Sequence[TopicSpec],
    partitions: int,
    replication: int | None,
    registered: TopicEpoch | None,
) -> list[str]:
    cluster = admin.list_topics(timeout=TIMEOUT_SECONDS)
    replicas = replication or min(_MOST_REPLICAS, len(cluster.brokers))
    missing = [spec for spec in specs if spec.name not in cluster.topics]
    # The raw topic first: the others get as many partitions as it really has.
    created = _create([spec for spec in missing if spec.name == RAW], admin, partitions, replicas)
    if any(spec.name == RAW for spec in specs):
        _await_leaders(admin, [RAW])
        partitions = _raw_partitions(admin, registered)
    created += _create([spec for spec in missing if spec.name != RAW], admin, partitions, replicas)
    _await_leaders(admin, [spec.name for spec in specs])
    return created


def _raw_partitions(admin: AdminClient, registered: TopicEpoch | None) -> int:
    """How many partitions the raw topic has, when Kafka tells of all that are registered.

    :raises WeirError: it does not in time.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        found = admin.list_topics(RAW, timeout=TIMEOUT_SECONDS).topics[RAW].partitions.keys()
        is_same = registered is not None and _topic_ids(admin, [RAW])[RAW] == registered.topic_id
        wanted = registered.partitions if is_same and registered is not None else None
        if count := settled_count(found, wanted):
            return count
        if time.monotonic() > deadline:
            raise WeirError(f"Kafka tells of {len(found)} of the {wanted} partitions of {RAW}: are all brokers up?")
        time.sleep(0.2)


def _create(specs: Sequence[TopicSpec], admin: AdminClient, partitions: int, replicas: int) -> list[str]:
    """Create the topics; returns those that somebody else had not created meanwhile."""
    if not specs:
        return []
    extra = {"min.insync.replicas": str(replicas - 1)} if replicas > 1 else {}
    wanted = [
        NewTopic(
            spec.name,
            num_partitions=spec.partitions or partitions,
            replication_factor=replicas,
            config={**spec.config, **extra},
        )
        for spec in specs
    ]
    created = []
    for name, future in admin.create_topics(wanted, operation_timeout=TIMEOUT_SECONDS).items():
        try:
            future.result(TIMEOUT_SECONDS)
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    return created


def _await_leaders(admin: AdminClient, names: Sequence[str]) -> None:
    """Wait until the brokers know the topics: they learn of a new one a little after it was created."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        topics = admin.list_topics(timeout=TIMEOUT_SECONDS).topics
        waiting = [name for name in names if name not in topics or not _is_led(topics[name])]
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise WeirError(f"Kafka has not brought up {', '.join(waiting)} in time: look at its log, run it again.")
        time.sleep(0.05)


def _is_led(topic: TopicMetadata) -> bool:
    return topic.error is None and all(partition.leader >= 0 for partition in topic.partitions.values())


def _differences(admin: AdminClient, specs: Sequence[TopicSpec]) -> list[Difference]:
    topics = admin.list_topics(timeout=TIMEOUT_SECONDS).topics
    raw = len(topics[RAW].partitions) if RAW in topics else None
    resources = {spec.name: ConfigResource(ResourceType.TOPIC, spec.name) for spec in specs}
    told: dict[ConfigResource, Future[dict[str, ConfigEntry]]] = admin.describe_configs(list(resources.values()))
    found: list[Difference] = []
    for spec in specs:
        wanted, has = spec.partitions or raw, len(topics[spec.name].partitions)
        if wanted is not None and has != wanted:
            found.append(Difference(spec.name, "partitions", str(wanted), str(has)))
        config = told[resources[spec.name]].result(TIMEOUT_SECONDS)
        for setting, value in spec.config.items():
            actual = config[setting].value if setting in config else None
            if actual != value:
                found.append(Difference(spec.name, setting, value, str(actual)))
    return found


def _apply(admin: AdminClient, differences: Sequence[Difference]) -> list[Difference]:
    """Set what can be set; returns what cannot."""
    by_topic: dict[str, list[ConfigEntry]] = {}
    for difference in differences:
        if difference.setting != "partitions":
            by_topic.setdefault(difference.topic, []).append(
                ConfigEntry(difference.setting, difference.wanted, incremental_operation=AlterConfigOpType.SET)
            )
    resources = [
        ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries) for topic, entries in by_topic.items()
    ]
    if resources:
        for future in admin.incremental_alter_configs(resources).values():
            future.result(TIMEOUT_SECONDS)
    return [difference for difference in differences if difference.setting == "partitions"]


def _topic_ids(admin: AdminClient, names: Sequence[str]) -> dict[str, str]:
    futures: dict[str, Future[TopicDescription]] = admin.describe_topics(TopicCollection(list(names)))
    return {name: str(future.result(TIMEOUT_SECONDS).topic_id) for name, future in futures.items()}
