"""`python -m bench` names every measurement there is."""

from bench.__main__ import FIGURES, OTHERS, about
from tests.broker import REPOSITORY

PARTS = {"__main__", "bare_route", "bare_worker", "http_load"}
"""Processes that a measurement starts."""


def test_every_measurement_is_listed_and_says_what_it_is() -> None:
    folder = REPOSITORY / "bench"
    modules = {path.stem for path in folder.glob("*.py") if '__name__ == "__main__"' in path.read_text()}
    packages = {path.parent.name for path in folder.glob("*/__main__.py")}
    listed = {*FIGURES, *OTHERS}
    assert listed == (modules | packages) - PARTS
    assert all(about(name) for name in listed)
