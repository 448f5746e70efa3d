"""The `weir` command. Commands are registered here, one by one."""

import click

from weir.commands.archive import archive
from weir.commands.audit import audit
from weir.commands.client import client
from weir.commands.dead_letters import dead_letters
from weir.commands.demo import demo
from weir.commands.doctor import doctor
from weir.commands.down import down
from weir.commands.entry import run
from weir.commands.filter import filter_
from weir.commands.gateway import gateway
from weir.commands.logs import logs
from weir.commands.migrate import migrate
from weir.commands.positions import positions
from weir.commands.profile import profile
from weir.commands.project import project
from weir.commands.query_api import query_api
from weir.commands.reprocess import reprocess
from weir.commands.rule import rule
from weir.commands.schemas import schemas
from weir.commands.status import status
from weir.commands.store import store
from weir.commands.supervise import supervise
from weir.commands.topics import topics
from weir.commands.up import up
from weir.commands.worker import worker


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="weir")
def cli() -> None:
    """Weir: self-hosted web and product analytics on Kafka, Faust and ClickHouse."""


for command in (
    up,
    down,
    status,
    logs,
    doctor,
    demo,
    project,
    client,
    profile,
    filter_,
    rule,
    topics,
    migrate,
    audit,
    dead_letters,
    archive,
    reprocess,
    positions,
    store,
    gateway,
    worker,
    query_api,
    schemas,
    supervise,
):
    cli.add_command(command)


def main() -> None:
    """Entry point."""
    run(cli)
