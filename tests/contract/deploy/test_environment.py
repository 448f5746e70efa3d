"""What deploy/ and the supervisor set, some settings class reads and accepts; what the contract needs of Kafka is the
same everywhere.
"""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from control.database import open_database
from ingest.settings import GatewaySettings
from query_api.settings import QueryApiSettings
from sinks.settings import AuditorSettings, SinkSettings, StoreSettings
from streams.settings import WorkerSettings
from tests.broker import REPOSITORY
from tests.contract.deploy.manifests import Container, compose, containers
from weir.local.broker import LocalBroker, server_properties
from weir.services import local_services
from weir.settings import Settings, service_environment

CLASSES: tuple[type[BaseSettings], ...] = (
    Settings,
    GatewaySettings,
    WorkerSettings,
    QueryApiSettings,
    SinkSettings,
    StoreSettings,
    AuditorSettings,
)
READ_BY: dict[str, tuple[type[BaseSettings], ...]] = {
    "gateway": (GatewaySettings,),
    "worker": (WorkerSettings,),
    "query-api": (QueryApiSettings,),
    "auditor": (AuditorSettings, Settings, SinkSettings),
    "topics": (Settings,),
    "migrate": (Settings, SinkSettings),
}
OURS = pytest.mark.parametrize("container", containers(), ids=lambda container: container.place)


def _known() -> set[str]:
    return {name for cls in CLASSES for name in _variables(cls)}


def _variables(cls: type[BaseSettings]) -> dict[str, str]:
    """Variable to field."""
    return {f"{cls.model_config['env_prefix']}{name.upper()}": name for name in cls.model_fields}


@OURS
def test_every_variable_of_a_container_is_read_by_somebody(container: Container) -> None:
    assert {name for name in container.environment if not name.startswith("WEIR_")} == set()
    assert set(container.environment) - _known() == set()


@OURS
def test_every_value_of_a_container_is_accepted(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in container.environment.items():
        assert isinstance(value, str), f"{name} must be quoted"
        monkeypatch.setenv(name, value)
    command = container.arguments[0] if container.arguments else None
    for cls in READ_BY[command] if command else CLASSES:
        read = cls()
        fields = {field for variable, field in _variables(cls).items() if variable in container.environment}
        assert fields <= read.model_fields_set
    # The driver the address names is one that is installed.
    open_database(container.environment["WEIR_DATABASE_URL"]).dispose()


def test_every_variable_of_the_image_is_read_by_somebody() -> None:
    found = re.findall(r"\bWEIR_[A-Z_]+\b", (REPOSITORY / "deploy" / "Dockerfile").read_text())
    assert found
    assert set(found) - _known() == set()


def test_every_variable_the_supervisor_sets_is_read_by_somebody(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    names = {name for name in service_environment(settings) if name.startswith("WEIR_")}
    for service in local_services(settings):
        names |= set(service.environment)
    assert names - _known() == set()


def test_the_composed_broker_has_the_settings_of_the_local_one(tmp_path: Path) -> None:
    local = server_properties(LocalBroker(tmp_path, tmp_path, 1, 2))
    composed = compose()["services"]["kafka"]["environment"]
    named = {name.removeprefix("KAFKA_").lower().replace("_", "."): value for name, value in composed.items()}
    shared = {name: value for name, value in named.items() if value.isdigit() or value in ("true", "false")}
    assert len(shared) > 8
    assert {name: local[name] for name in shared} == shared
