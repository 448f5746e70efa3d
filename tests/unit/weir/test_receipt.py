"""What the receipt of an erasure names as devices."""

from datetime import UTC, datetime
from typing import Any

import pytest

from control.models import Erasure
from weir.erasure import receipt


@pytest.mark.parametrize(
    ("progress", "devices"),
    [
        ({"also_devices": []}, ["phone"]),
        ({"cut": {"erasure": 1, "also_devices": []}}, ["phone"]),
        ({"cut": {"also_devices": ["ann"]}}, ["phone", "ann"]),
        ({"cut": {"also_devices": ["old"]}, "also_devices": ["ann"]}, ["phone", "ann"]),
        ({"cut": {"erasure": 1}}, ["phone", "ann"]),
    ],
    ids=["under way", "done", "an id is a device's too", "begun anew", "of before it was noted"],
)
def test_an_id_that_no_device_has_is_no_device(progress: dict[str, Any], devices: list[str]) -> None:
    row = Erasure(
        project_id="shop",
        profile_id="ann",
        profile_ids=["ann", "a-nn"],
        device_ids=["phone", "ann"],
        stage="done",
        erased_at=1,
        begun_at=datetime(2026, 3, 4, tzinfo=UTC),
        finished_at=None,
        removed={},
        progress=progress,
    )
    told = receipt(row)
    assert told["device_ids"] == devices
    assert told["profile_ids"] == ["ann", "a-nn"]
