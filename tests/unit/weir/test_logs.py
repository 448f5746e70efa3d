"""The combined view."""

import io
from pathlib import Path

from rich.console import Console

from weir.logs import show_logs


def test_lines_carry_their_service_and_new_and_replaced_files_are_followed(tmp_path: Path) -> None:
    gateway, worker = tmp_path / "gateway.log", tmp_path / "worker-2.log"
    gateway.write_text("old 1\nold 2\n")
    out = io.StringIO()
    turns = iter(range(4))

    def next_turn() -> bool:
        turn = next(turns)
        if turn == 0:
            with gateway.open("a") as log:
                log.write("new [bold]3[/]\nhalf")
        elif turn == 1:
            with gateway.open("a") as log:
                log.write(" a line\n")
            worker.write_text("hello\n")
        elif turn == 2:
            gateway.replace(tmp_path / "gateway.1.log")
            gateway.write_text("after\n")
        return turn == 3

    show_logs(Console(file=out, width=40), tmp_path, follow=True, last_bytes=6, until=next_turn)
    lines = [line.split("│") for line in out.getvalue().splitlines()]
    assert [(name.strip(), text.strip()) for name, text in lines] == [
        ("gateway", "old 2"),
        ("gateway", "new [bold]3[/]"),
        ("gateway", "half a line"),
        ("worker-2", "hello"),
        ("gateway", "after"),
    ]
