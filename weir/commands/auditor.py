"""`weir auditor`: the audit as a service."""

import click

from weir.commands.entry import run
from weir.commands.serving import log_to_stderr
from weir.settings import load


@click.command()
def auditor() -> None:
    """Audit, mend rollups and apply retention every few minutes, and tell Prometheus."""
    from sinks.auditor_service import serve
    from sinks.settings import AuditorSettings
    from weir.prepare import sink_settings

    log_to_stderr()
    serve(sink_settings(load()), AuditorSettings())


if __name__ == "__main__":
    # As the supervisor starts it: without loading the other commands.
    run(auditor)
