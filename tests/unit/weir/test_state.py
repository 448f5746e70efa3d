"""The supervisor's file and lock."""

import os
from pathlib import Path

from weir.local.state import StackState, read_state, state_file, supervisor_pid, take_lock, write_state


def test_one_supervisor_a_home_and_its_end_is_seen(tmp_path: Path) -> None:
    assert supervisor_pid(tmp_path) is None
    lock = take_lock(tmp_path)
    assert lock is not None
    assert take_lock(tmp_path) is None
    assert supervisor_pid(tmp_path) == os.getpid()
    lock.close()
    assert supervisor_pid(tmp_path) is None
    again = take_lock(tmp_path)
    assert again is not None
    again.close()


def test_a_state_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    state = StackState(supervisor=7, phase="ready")
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    assert [path.name for path in state_file(tmp_path).parent.iterdir()] == ["state.json"]
    state_file(tmp_path).write_text("{")
    assert read_state(tmp_path) is None
