"""The short form of ``make chaos``: each service is killed once under load, one worker is frozen."""

import time
from pathlib import Path

import pytest

from tests.chaos import findings, freeze_worker, kill_each, traffic_for
from tests.stack import running_stack

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(600)]


def test_what_was_answered_is_stored_once_whatever_dies(tmp_path: Path) -> None:
    with running_stack(tmp_path, {"WEIR_WORKERS": "2"}) as stack:
        with traffic_for(stack, rate=400) as traffic:
            kill_each(stack, pause=3)
            freeze_worker(stack)
            time.sleep(2)
        assert len(traffic.answered) > 1_000
        assert findings(stack, traffic) == []
