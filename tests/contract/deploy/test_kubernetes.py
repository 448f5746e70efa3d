"""The manifests under deploy/k8s fit together and fit the image."""

import re
from typing import Any

import pytest

from ingest.settings import GatewaySettings
from query_api.settings import QueryApiSettings
from tests.broker import REPOSITORY
from tests.contract.deploy.manifests import KUBERNETES, Container, kinds, kubernetes, orchestrated
from weir.cli import COMMANDS

WORKLOADS = kinds("Deployment", "StatefulSet", "Job")
OURS = list(orchestrated())
PORTS = {
    "gateway": GatewaySettings.model_fields["gateway_port"].default,
    "query-api": QueryApiSettings.model_fields["query_api_port"].default,
}


def _named(objects: list[dict[str, Any]]) -> list[str]:
    return [f"{found['kind']} {found['metadata']['name']}" for found in objects]


def test_every_file_is_applied_except_the_example() -> None:
    (kustomization,) = kinds("Kustomization")
    files = {file.name for file in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml", "addresses.example.yaml"}
    assert set(kustomization["resources"]) == files
    namespaces = {document["metadata"]["name"] for document in kinds("Namespace")}
    assert namespaces == {kustomization["namespace"]}
    assert {image["name"] for image in kustomization["images"]} == {"weir"}


def test_every_object_says_what_it_is_and_is_there_once() -> None:
    objects = [document for _, document in kubernetes() if document["kind"] != "Kustomization"]
    assert all(document["apiVersion"] for document in objects)
    assert len(set(_named(objects))) == len(objects)


@pytest.mark.parametrize("container", OURS, ids=lambda container: container.place)
def test_a_container_runs_a_command_of_ours(container: Container) -> None:
    assert container.described["image"] == "weir"
    assert container.arguments[0] in COMMANDS


def test_all_services_are_there() -> None:
    assert {container.arguments[0] for container in OURS} == {
        "topics",
        "migrate",
        "gateway",
        "worker",
        "query-api",
        "auditor",
    }


@pytest.mark.parametrize("container", OURS, ids=lambda container: container.place)
def test_ports_are_those_it_listens_on(container: Container) -> None:
    ports = {port["name"]: port["containerPort"] for port in container.described.get("ports", ())}
    command = container.arguments[0]
    if command in PORTS:
        assert ports == {"http": PORTS[command]}
        assert container.described["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
        assert container.described["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    elif command in ("worker", "auditor"):
        assert ports == {"metrics": int(container.environment[f"WEIR_{command.upper()}_METRICS_PORT"])}
    else:
        assert ports == {}


@pytest.mark.parametrize("workload", WORKLOADS, ids=_named(WORKLOADS))
def test_a_workload_runs_as_the_images_user_and_finds_its_pods(workload: dict[str, Any]) -> None:
    template = workload["spec"]["template"]
    uid = re.search(r"useradd .*--uid (\d+)", (REPOSITORY / "deploy" / "Dockerfile").read_text())
    assert uid is not None
    security = template["spec"]["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == int(uid[1])
    if "selector" in workload["spec"]:
        assert workload["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]


@pytest.mark.parametrize("service", kinds("Service"), ids=_named(kinds("Service")))
def test_a_service_leads_to_pods_that_listen(service: dict[str, Any]) -> None:
    templates = [workload["spec"]["template"] for workload in WORKLOADS]
    pods = [pod["spec"] for pod in templates if pod.get("metadata", {}).get("labels") == service["spec"]["selector"]]
    assert len(pods) == 1
    listening = {port["name"]: port["containerPort"] for c in pods[0]["containers"] for port in c["ports"]}
    for port in service["spec"]["ports"]:
        target = port.get("targetPort", port["port"])
        assert target in listening or target in listening.values()


def test_a_stateful_set_has_its_service() -> None:
    names = {service["metadata"]["name"] for service in kinds("Service")}
    assert {found["spec"]["serviceName"] for found in kinds("StatefulSet")} <= names
