"""Measuring Weir: ``python -m bench`` prints the figures of docs/performance.md, ``python -m bench NAME`` one of them.

``python -m bench --help`` lists them all. Best on an otherwise idle machine.
"""

import ast
import os
import runpy
import sys
from pathlib import Path

import click

FIGURES = {"gateway": "Gateway", "worker": "Worker", "path": "The whole path"}
"""What is run when nothing is named, a few minutes altogether, and its heading."""
_FOLDER = Path(__file__).parent
_PARTS = frozenset({"__main__", "bare_route", "bare_worker", "http_load"})
"""Programs that a measurement starts."""


def names() -> list[str]:
    """Everything that can be measured, the figures first. (`bench.stages` is a part of `worker`.)"""
    programs = {path.stem for path in _FOLDER.glob("*.py") if '__name__ == "__main__"' in path.read_text()}
    packages = {path.parent.name for path in _FOLDER.glob("*/__main__.py")}
    return [*FIGURES, *sorted((programs | packages) - _PARTS - FIGURES.keys())]


class _Benches(click.Command):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Names"):
            formatter.write_dl([(name, about(name)) for name in names()])


@click.command(cls=_Benches, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name", required=False, type=click.Choice(names()), metavar="[NAME")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGUMENTS]...]")
def main(name: str | None, arguments: tuple[str, ...]) -> None:
    """Measure what is named, or all that docs/performance.md has of gateway, worker and the whole path.

    What is behind a name is its own: `python -m bench worker --help`.
    """
    if name is not None:
        _run(name, arguments)
        return
    cores = len(os.sched_getaffinity(0))
    click.echo(f"{cores} cores, load average {os.getloadavg()[0]:.1f} at the start")
    for number, heading in FIGURES.items():
        click.echo(f"\n## {heading}\n")
        _run(number)


def about(name: str) -> str:
    """The first sentence of what a measurement says of itself."""
    place = _FOLDER / name
    source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    said = ast.get_docstring(ast.parse(source.read_text())) or ""
    return " ".join(said.split("\n\n")[0].split()).partition(". ")[0]


def _run(name: str, arguments: tuple[str, ...] = ()) -> None:
    # As `python -m bench.NAME` would be: each reads its own arguments.
    sys.argv = [f"bench.{name}", *arguments]
    try:
        runpy.run_module(f"bench.{name}", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code:
            raise


if __name__ == "__main__":
    main()
