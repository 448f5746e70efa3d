"""The doctor: each problem is one sentence, and the sentence names the remedy."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import REPOSITORY
from weir import doctor
from weir.local.broker import LocalBroker
from weir.local.ports import free_ports
from weir.local.state import ServiceStatus, StackState
from weir.settings import Settings


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def _program(folder: Path, name: str, says: str, status: int = 0) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {status}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def _is_one_sentence(text: str | None) -> bool:
    return text is not None and text.endswith(".") and "\n" not in text and ". " not in text


@pytest.mark.parametrize(
    ("says", "status", "fine"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 0, True),
        ('openjdk version "21" 2023-09-19', 0, True),
        ('java version "1.8.0_391"', 0, False),
        ('openjdk version "11.0.2" 2019-01-15', 0, False),
        ("The operation could not be completed. Unable to locate a Java Runtime.", 1, False),
        ("no version here", 0, False),
    ],
)
def test_java_is_new_enough_or_told(programs: Path, says: str, status: int, *, fine: bool) -> None:
    _program(programs, "java", says, status)
    check = doctor.check_java()
    assert (check.problem is None) == fine
    if not fine:
        assert _is_one_sentence(check.problem)
        assert check.problem is not None
        assert "install Java 17" in check.problem


@pytest.mark.usefixtures("programs")
def test_what_is_missing_is_told() -> None:
    for check, remedy in (
        (doctor.check_java(), "install Java 17"),
        (doctor.check_maven(), "install Maven 3.6"),
        (doctor.check_node(), "install Node 20"),
    ):
        assert _is_one_sentence(check.problem)
        assert check.problem is not None
        assert remedy in check.problem


def test_an_old_node_is_told(programs: Path) -> None:
    _program(programs, "npm", "10.0.0")
    _program(programs, "node", "v18.19.0")
    assert "too old" in (doctor.check_node().problem or "")
    _program(programs, "node", "v20.1.0")
    assert doctor.check_node().problem is None


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def test_a_taken_port_names_the_process_and_the_variable(taken: int) -> None:
    problem = doctor.check_port("gateway", taken, "WEIR_GATEWAY_PORT").problem
    assert _is_one_sentence(problem)
    assert problem is not None
    assert f"Port {taken} of the gateway is taken" in problem
    assert "set WEIR_GATEWAY_PORT to another port" in problem
    if Path("/proc/net/tcp").exists():
        assert f"(process {os.getpid()})" in problem


def test_every_port_is_asked(tmp_path: Path) -> None:
    ports = {"broker_port": 1, "controller_port": 2, "store_port": 3, "gateway_port": 4, "query_api_port": 5}
    settings = Settings.model_validate(
        {"home": tmp_path, **ports, "worker_metrics_port": 6, "workers": 2, "auditor_metrics_port": 8}
    )
    asked = [(port, variable) for _, port, variable in doctor.named_ports(settings)]
    expected = [(port, f"WEIR_{name.upper()}") for name, port in ports.items()]
    assert asked == [
        *expected,
        (6, "WEIR_WORKER_METRICS_PORT"),
        (7, "WEIR_WORKER_METRICS_PORT"),
        (8, "WEIR_AUDITOR_METRICS_PORT"),
    ]


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    assert doctor.check_disk(tmp_path / "not" / "yet", needed=0).problem is None
    problem = doctor.check_disk(tmp_path / "not" / "yet", needed=1 << 62).problem
    assert problem is not None
    assert "too little" in problem
    assert "WEIR_HOME" in problem


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a directory")
    problem = doctor.check_home(in_the_way / "home").problem
    assert _is_one_sentence(problem)
    assert problem is not None
    assert "WEIR_HOME" in problem
    assert doctor.check_home(tmp_path / "home").problem is None


def test_broken_broker_data_is_told(tmp_path: Path) -> None:
    broker = LocalBroker(tmp_path, tmp_path / "jars", 1, 2)
    assert doctor.check_broker_data(broker).problem is None
    broker.data.mkdir()
    assert doctor.check_broker_data(broker).problem is None
    (broker.data / "weir.raw-0").mkdir()
    assert "meta.properties" in (doctor.check_broker_data(broker).problem or "")
    meta = broker.data / "meta.properties"
    meta.write_text("cluster.id=abc\nnode.id=1\nversion=1\n")
    problem = doctor.check_broker_data(broker).problem
    assert _is_one_sentence(problem)
    assert "metadata log" in (problem or "")
    (broker.data / "__cluster_metadata-0").mkdir()
    assert doctor.check_broker_data(broker).problem is None
    meta.write_text("cluster.id=abc\nnode.id=7\n")
    assert "not of this stack" in (doctor.check_broker_data(broker).problem or "")


def test_two_services_on_one_port_are_a_problem(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    settings = Settings(home=tmp_path, gateway_port=port, query_api_port=port)
    problems = [check.problem for check in doctor.examine(settings) if check.problem and str(port) in check.problem]
    assert problems == [
        f"Port {port} is given to both the gateway and the query API: set WEIR_QUERY_API_PORT to another port."
    ]


def test_a_stack_that_is_up_is_looked_at_like_one_that_is_not(tmp_path: Path) -> None:
    """As many checks, and what its services say of themselves in place of free ports."""
    gateway, controller = free_ports(2)
    settings = Settings(home=tmp_path, gateway_port=gateway, controller_port=controller)
    up = ServiceStatus(state="up", address=f"http://127.0.0.1:{settings.gateway_port}")
    state = StackState(supervisor=1, services={"gateway": up, "worker": ServiceStatus(state="restarting")})
    before, now = list(doctor.examine(settings)), list(doctor.examine(settings, state))
    machine = [check.name for check in now if not check.name.startswith("port")]
    assert machine == [check.name for check in before if not check.name.startswith("port")]
    assert [(check.name, check.found) for check in now[len(machine) :]] == [
        (f"port {settings.gateway_port} (gateway)", "used by this stack, not answering"),
        ("port  (worker)", "restarting"),
        (f"port {controller} (broker's controller)", "free"),
    ]
    assert all(_is_one_sentence(check.problem) for check in now[len(machine) : -1])


def test_the_city_database_is_told_of_and_never_a_problem(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)

    def found(settings: Settings = settings, *, up: bool = True) -> str:
        check = doctor.check_geo(settings, up=up)
        assert check.problem is None
        return check.found

    assert "the first start fetches it" in found(up=False)
    assert "weir logs supervisor" in found()
    assert "WEIR_GEO_DOWNLOAD is off" in found(Settings(home=tmp_path, geo_download=False))
    partial = tmp_path / "geo-partial-1"
    partial.mkdir()
    assert "on its way" in found()
    # One that a stack left which was killed.
    assert "the first start fetches it" in found(up=False)
    partial.rename(settings.geo)
    assert found() == str(settings.geo)


def test_what_other_programs_say_is_told_without_colours(programs: Path) -> None:
    _program(programs, "mvn", "\033[1mApache Maven 3.8.7\033[m")
    assert doctor.check_maven().found == "Apache Maven 3.8.7"


def test_every_port_is_in_the_quickstart_and_of_a_second_stack_too() -> None:
    text = (REPOSITORY / "docs" / "quickstart.md").read_text()
    second = text[text.index("second.env") :]
    for _, port, variable in doctor.named_ports(Settings(workers=1, auditor=True)):
        assert f"{port}" in text, variable
        assert f"`{variable}`" in text
        assert f"{variable}=" in second
