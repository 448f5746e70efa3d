"""How a command is run: what a person can solve is one sentence on standard error and a status that is not 0."""

import logging
import sys

import click
from pydantic import ValidationError

from weir.errors import WeirError


def run(command: click.Command) -> None:
    """Run the command with this process's arguments; does not return."""
    # What it logs is said again, better, by the error it raises.
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
    try:
        command()
    except WeirError as error:
        click.echo(str(error), err=True)
        sys.exit(error.status)
    except ValidationError as error:
        for problem in error.errors():
            name = "WEIR_" + "_".join(str(part) for part in problem["loc"]).upper()
            click.echo(f"{name} cannot be used: {problem['msg']}. Correct or unset the variable.", err=True)
        sys.exit(1)
