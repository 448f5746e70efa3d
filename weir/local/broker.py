"""The local broker: one Kafka node that is its own controller, on loopback.

The settings marked with a rule are part of the exactly-once contract (docs/exactly-once.md); a broker
run by others needs them too.
"""

import shutil
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path

from weir.errors import WeirError
from weir.local.jars import LOG_CONFIG
from weir.local.metadata import serves
from weir.settings import LOOPBACK

YEAR_MINUTES = 525_600
MAX_MESSAGE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class LocalBroker:
    """Where the broker lives. `home` holds its configuration and data; `jars` may be shared."""

    home: Path
    jars: Path
    port: int
    controller_port: int
    heap: str = "512m"

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def data(self) -> Path:
        """The log directory; its `meta.properties` says that it is formatted."""
        return self.home / "data"

    @property
    def config_file(self) -> Path:
        """The properties file, rewritten at each start."""
        return self.home / "server.properties"


def server_properties(broker: LocalBroker) -> dict[str, str]:
    """The broker's whole configuration."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": f"PLAINTEXT://{broker.bootstrap},CONTROLLER://{LOOPBACK}:{broker.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{broker.bootstrap}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        # Static voters: a controller port that changes between starts stays a matter of this file.
        "controller.quorum.voters": f"1@{LOOPBACK}:{broker.controller_port}",
        "log.dirs": str(broker.data.resolve()),
        # One node: nothing to replicate to.
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # Fewer of them than the default 50: a quicker start and less disk.
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.num.partitions": "8",
        # A killed broker may register again only when its old session is over: 9 s by default.
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "400",
        # Contract: members join at once, a forgotten group does not fall back to the log's start, and a
        # foreign producer's open transaction cannot hold a partition for long.
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
        "offsets.retention.minutes": str(YEAR_MINUTES),
        "transaction.max.timeout.ms": "60000",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        "message.max.bytes": str(MAX_MESSAGE_BYTES),
        "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
        # The cleaner's default buffer is a quarter of this heap.
        "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
    }


def prepare(broker: LocalBroker) -> None:
    """Write the configuration and format the data directory unless it is formatted. Safe to repeat.

    :raises WeirError: the directory cannot be formatted.
    """
    broker.data.mkdir(parents=True, exist_ok=True)
    lines = [f"{key}={value}" for key, value in server_properties(broker).items()]
    broker.config_file.write_text("\n".join(lines) + "\n")
    if (broker.data / "meta.properties").exists():
        return
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    if cluster.startswith("-"):
        # An argument that begins with a dash would be taken for an option.
        cluster = "w" + cluster[1:]
    done = subprocess.run(
        [
            *_java(broker, "64m"),
            *("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(broker.config_file)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        why = (done.stdout + done.stderr).strip().splitlines()
        raise WeirError(
            f"The broker's data directory {broker.data} cannot be formatted "
            f"({why[-1] if why else 'no reason given'}): move it away to start with an empty log."
        )


def command(broker: LocalBroker) -> list[str]:
    """The command line that runs the broker in the foreground; SIGTERM stops it in order."""
    return [*_java(broker, broker.heap), "kafka.Kafka", str(broker.config_file)]


def answers(bootstrap: str, timeout: float = 2.0) -> bool:
    """Whether a broker answers a metadata request within the timeout (seconds); of several the first is asked."""
    host, _, port = bootstrap.split(",")[0].rpartition(":")
    return port.isdigit() and serves(host.strip("[]"), int(port), timeout)


def wait_until_it_answers(bootstrap: str, process: subprocess.Popen[bytes], seconds: float = 60.0) -> None:
    """Return when the broker serves.

    :raises WeirError: the process ended, or the time is over.
    """
    deadline = time.monotonic() + seconds
    while not answers(bootstrap):
        if process.poll() is not None:
            raise WeirError(f"The broker ended with status {process.returncode}: see its log.")
        if time.monotonic() > deadline:
            raise WeirError(f"The broker did not answer within {seconds:.0f} s: see its log.")
        time.sleep(0.1)


def _java(broker: LocalBroker, heap: str) -> list[str]:
    java = shutil.which("java")
    if java is None:
        raise WeirError("Java is needed for the local broker: install Java 17 or later (java).")
    return [
        *(java, f"-Xmx{heap}", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:+ExitOnOutOfMemoryError"),
        *("-Djava.awt.headless=true", f"-Dlog4j2.configurationFile={LOG_CONFIG.as_uri()}"),
        *("-cp", f"{broker.jars}/*"),
    ]
