"""`python -m bench` names every measurement there is."""

import subprocess
import sys

from bench.__main__ import FIGURES, about, names
from tests.broker import REPOSITORY


def test_every_measurement_is_listed_and_says_what_it_is() -> None:
    assert {*FIGURES, "gateway_features", "gateway_memory", "state", "handover", "chaos"} <= set(names())
    assert all(about(name) for name in names())
    command = [sys.executable, "-m", "bench", "--help"]
    shown = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert all(name in shown for name in names())


def test_what_is_behind_a_name_reads_its_own_arguments() -> None:
    command = [sys.executable, "-m", "bench", "state", "--help"]
    shown = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert "--devices" in shown
