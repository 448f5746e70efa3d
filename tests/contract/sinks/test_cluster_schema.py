"""The schema as a cluster is told it is the one that was looked at."""

from tests.contract.sinks.cluster_schema import FOLDER, golden_files

COMMAND = "python -m tests.contract.sinks.cluster_schema"


def test_the_schema_of_a_cluster_is_the_one_that_was_reviewed() -> None:
    there = {path.name: path.read_text() for path in FOLDER.glob("*.sql")}
    wanted = golden_files()
    assert sorted(there) == sorted(wanted), f"run {COMMAND} and look at what it wrote"
    for name, text in wanted.items():
        assert there[name] == text, f"{name}: run {COMMAND} and look at what it changed"
