"""The deployments as data: docker-compose.yml and deploy/k8s, read with a YAML parser."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from tests.broker import REPOSITORY

KUBERNETES = REPOSITORY / "deploy" / "k8s"
COMPOSE_IMAGE = "weir:local"
_DEFAULT = re.compile(r"\$\{[A-Z_]+:-([^}]*)\}")


@dataclass(frozen=True)
class Container:
    """One container of ours: where it is described, what it runs, and what is set for it."""

    place: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    described: dict[str, Any]


@cache
def compose() -> dict[str, Any]:
    """docker-compose.yml, variables replaced by their defaults."""
    text = (REPOSITORY / "docker-compose.yml").read_text()
    found: dict[str, Any] = yaml.safe_load(_DEFAULT.sub(r"\1", text))
    return found


@cache
def kubernetes() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Every document under deploy/k8s with the name of its file."""
    files = sorted(KUBERNETES.glob("*.yaml"))
    return tuple((file.name, document) for file in files for document in yaml.safe_load_all(file.read_text()))


def kinds(*names: str) -> list[dict[str, Any]]:
    """The Kubernetes objects of these kinds."""
    return [document for _, document in kubernetes() if document["kind"] in names]


def composed() -> Iterator[Container]:
    """Our containers of docker-compose.yml."""
    for name, service in compose()["services"].items():
        if service["image"] == COMPOSE_IMAGE:
            yield Container(name, tuple(service.get("command", ())), dict(service["environment"]), service)


def orchestrated() -> Iterator[Container]:
    """Our containers under deploy/k8s; what comes from a secret is filled in from the example."""
    secrets = {secret["metadata"]["name"]: secret["stringData"] for secret in kinds("Secret")}
    for workload in kinds("Deployment", "StatefulSet", "Job"):
        pod = workload["spec"]["template"]["spec"]
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            environment: dict[str, str] = {}
            for source in container.get("envFrom", ()):
                environment |= secrets[source["secretRef"]["name"]]
            for variable in container.get("env", ()):
                environment[variable["name"]] = variable.get("value", workload["metadata"]["name"])
            place = f"{workload['kind']} {workload['metadata']['name']}/{container['name']}"
            yield Container(place, tuple(container["args"]), environment, container)


def containers() -> list[Container]:
    """All of ours."""
    return [*composed(), *orchestrated()]
