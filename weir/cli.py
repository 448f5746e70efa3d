"""The `weir` command. Commands are registered here, one by one; only the one that is run is loaded."""

from importlib import import_module

import click

from weir.commands.entry import run

COMMANDS = (
    "up",
    "down",
    "status",
    "logs",
    "doctor",
    "demo",
    "project",
    "client",
    "profile",
    "filter",
    "rule",
    "topics",
    "migrate",
    "audit",
    "auditor",
    "rebuild",
    "retention",
    "dead-letters",
    "archive",
    "reprocess",
    "export",
    "import",
    "backup",
    "restore",
    "positions",
    "grafana",
    "store",
    "gateway",
    "worker",
    "query-api",
    "schemas",
    "supervise",
)
"""Each is the function of its name in the module of its name (`weir.commands.dead_letters.dead_letters`)."""

_BUILT_IN = {"filter": "filter_", "import": "import_"}
_MODULES = {"import": "import_"}


class _Commands(click.Group):
    """What all commands need together takes a second to load, which would be most of `weir status`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module = cmd_name.replace("-", "_")
        found: click.Command = getattr(
            import_module(f"weir.commands.{_MODULES.get(module, module)}"), _BUILT_IN.get(module, module)
        )
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="weir")
def cli() -> None:
    """Weir: self-hosted web and product analytics on Kafka, Faust and ClickHouse."""


def main() -> None:
    """Entry point."""
    run(cli)
