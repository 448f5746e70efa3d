"""Whose data the published records are."""

import pytest

from control.topic import owner


@pytest.mark.parametrize(
    ("published", "found"),
    [
        pytest.param({}, None, id="nobody's yet"),
        pytest.param({"project/shop": b"{}"}, None, id="written before databases had ids"),
        pytest.param({"database/owner": b'{"version":1,"record":"database","id":"a1"}'}, "a1", id="somebody's"),
        pytest.param({"database/owner": b'{"version":2,"record":"database"}'}, None, id="unreadable"),
    ],
)
def test_the_owner_is_read_from_the_records(published: dict[str, bytes], found: str | None) -> None:
    assert owner(published) == found
