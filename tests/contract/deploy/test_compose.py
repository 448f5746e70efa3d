"""docker-compose.yml says what Docker understands and Weir means."""

import re
from typing import Any

import pytest
import yaml

from ingest.settings import GatewaySettings
from query_api.settings import QueryApiSettings
from tests.broker import REPOSITORY
from tests.contract.deploy.manifests import COMPOSE_IMAGE, compose, composed
from weir.cli import COMMANDS

SERVICES: dict[str, dict[str, Any]] = compose()["services"]


def test_all_services_of_a_stack_are_there() -> None:
    commands = {container.arguments[0] for container in composed() if container.arguments}
    assert {"topics", "migrate", "gateway", "worker", "query-api", "auditor"} <= commands
    assert commands <= set(COMMANDS)
    assert {"kafka", "clickhouse", "postgres"} <= set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_built_here_or_pinned(name: str) -> None:
    service = SERVICES[name]
    if service["image"] == COMPOSE_IMAGE:
        assert (REPOSITORY / service["build"]["dockerfile"]).is_file()
    else:
        assert "build" not in service
        assert re.fullmatch(r"[\w./-]+:\d[\w.-]*", service["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_who_is_waited_for_can_be(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] == "no"


def test_only_gateway_and_query_api_are_reachable_and_only_from_here() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.pop("grafana") == ["127.0.0.1:3000:3000"]
    assert SERVICES["grafana"]["profiles"] == ["grafana"], "only where it is asked for"
    gateway = GatewaySettings.model_fields["gateway_port"].default
    query_api = QueryApiSettings.model_fields["query_api_port"].default
    assert published == {
        "gateway": [f"127.0.0.1:{gateway}:{gateway}"],
        "query-api": [f"127.0.0.1:{query_api}:{query_api}"],
    }


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_exists(name: str) -> None:
    for mount in SERVICES[name].get("volumes", ()):
        source = mount.split(":")[0]
        if source.startswith("."):
            assert (REPOSITORY / source).exists()
        else:
            assert source in compose()["volumes"]


def test_grafana_finds_its_dashboards_and_clickhouse() -> None:
    grafana = SERVICES["grafana"]
    mounts = {target: REPOSITORY / source for source, target, *_ in (each.split(":") for each in grafana["volumes"])}
    provisioning = mounts["/etc/grafana/provisioning"]
    [provider] = yaml.safe_load((provisioning / "dashboards" / "weir.yaml").read_text())["providers"]
    assert list(mounts[provider["options"]["path"]].glob("*.json"))
    asked = set(re.findall(r"\$\{(\w+)\}", (provisioning / "datasources" / "weir.yaml").read_text()))
    assert asked <= set(grafana["environment"])
    assert grafana["environment"]["WEIR_CLICKHOUSE_HOST"] in SERVICES


def test_on_a_small_machine_more_is_mounted() -> None:
    small = yaml.safe_load((REPOSITORY / "docker-compose.small.yml").read_text())["services"]
    assert set(small) <= set(SERVICES)
    mounted = [mount.split(":") for mount in small["clickhouse"]["volumes"]]
    for source, target, _ in mounted:
        assert (REPOSITORY / source).is_file()
        assert target.startswith("/etc/clickhouse-server/" + ("users.d" if "users" in source else "config.d"))
    taken = {mount.split(":")[1] for mount in SERVICES["clickhouse"]["volumes"]}
    assert not taken & {target for _, target, _ in mounted}


def test_addresses_name_services_and_their_logins() -> None:
    environment = next(composed()).environment
    assert environment["WEIR_KAFKA_BOOTSTRAP"] == "kafka:9092"
    clickhouse, postgres = SERVICES["clickhouse"]["environment"], SERVICES["postgres"]["environment"]
    login = f"{clickhouse['CLICKHOUSE_USER']}:{clickhouse['CLICKHOUSE_PASSWORD']}"
    assert environment["WEIR_CLICKHOUSE_URL"] == f"http://{login}@clickhouse:8123"
    login = f"{postgres['POSTGRES_USER']}:{postgres['POSTGRES_PASSWORD']}"
    assert environment["WEIR_DATABASE_URL"] == f"postgresql+pg8000://{login}@postgres:5432/{postgres['POSTGRES_DB']}"
