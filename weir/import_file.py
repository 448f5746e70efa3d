"""Importing a file, with a memory beside it: how far it is, and what was refused."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from clickhouse_connect.driver.client import Client
from pydantic import BaseModel, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from control.models import Project, TopicEpoch
from schemas.topics import RAW
from sinks.erased_rows import Cut
from sinks.erasure_wait import await_tables
from sinks.errors import SinkError
from sinks.import_files import format_of, read_rows
from sinks.import_map import MAPPINGS
from sinks.import_rows import Progress, Target, import_rows
from sinks.kafka_log import KafkaLog
from sinks.whole_file import whole_file
from weir.clickhouse import clickhouse
from weir.errors import WeirError
from weir.prepare import control_database
from weir.settings import Settings

STANDARD_INPUT = "-"


class _Memory(BaseModel):
    """What is kept beside the file while it is not done. ``size``: of the file, which must not change meanwhile."""

    size: int
    progress: Progress


def import_file(
    settings: Settings,
    path: str,
    *,
    table: str,
    project_id: str,
    format_name: str | None,
    patience_seconds: float,
    tell: Callable[[str], None],
    done: Callable[[Progress, int], None],
) -> tuple[Progress, Path]:
    """Import a file of rows, or go on with it; what became of them, and where those are that were refused. ``done`` is
    told after each batch, with the bytes of the file that are read.

    :raises WeirError: it broke off; run again, it goes on.
    """
    target = _target(settings, project_id)
    refused = Path("weir-import.rejects.jsonl" if path == STANDARD_INPUT else f"{path}.rejects.jsonl")
    try:
        chosen = format_name or ("jsonl" if path == STANDARD_INPUT else format_of(path))
        with _open(path, chosen) as file, clickhouse(settings) as client:
            progress = _remembered(path)
            tell("waiting until what was sent before is stored")
            _await_all(settings, client, target, patience_seconds, tell)

            def remember(now: Progress) -> None:
                if path != STANDARD_INPUT:
                    _remember(path, now)
                done(now, file.tell() if file.seekable() else 0)

            with _rejects(refused, progress.rejects) as rejects:
                import_rows(client, target, read_rows(file, chosen), MAPPINGS[table], progress, rejects, remember)
        _memory_of(path).unlink(missing_ok=True)
        if not progress.refused:
            refused.unlink(missing_ok=True)
    except SinkError as error:
        raise WeirError(str(error)) from error
    except OSError as error:
        raise WeirError(f"{error.filename or path} cannot be used ({error.strerror or error}).") from error
    return progress, refused


def _target(settings: Settings, project_id: str) -> Target:
    with control_database(settings) as engine, Session(engine) as session:
        days = {project.id: project.retention_days for project in session.scalars(select(Project))}
        registered = session.get(TopicEpoch, RAW)
    if project_id and project_id not in days:
        raise WeirError(f"There is no project {project_id}: create it (weir project create).")
    if registered is None or registered.partitions is None:
        raise WeirError(f"{RAW} is not registered: run weir topics.")
    return Target(settings.bootstrap, registered.partitions, project_id, days)


def _await_all(
    settings: Settings, client: Client, target: Target, patience_seconds: float, tell: Callable[[str], None]
) -> None:
    """Wait until all that is in the raw log now is in the tables."""
    log = KafkaLog(settings.bootstrap)
    ends = [reach.end for _, reach in sorted(log.reach(RAW).items())]
    here = Cut(0, target.project_id, log.epochs().get(RAW, 1), tuple(ends), 0)
    await_tables(client, log, here, patience_seconds, tell)


@contextmanager
def _open(path: str, format_name: str) -> Iterator[BinaryIO]:
    if path != STANDARD_INPUT:
        with Path(path).open("rb") as file:
            yield file
        return
    if format_name == "parquet":
        raise WeirError("Parquet has its list of contents at its end: import it from a file.")
    yield sys.stdin.buffer


@contextmanager
def _rejects(path: Path, size: int) -> Iterator[BinaryIO]:
    """The file of refused rows, cut to what is remembered of it."""
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        file.truncate(size)
        file.seek(size)
        yield file


def _memory_of(path: str) -> Path:
    return Path(f"{path}.import.json")


def _remembered(path: str) -> Progress:
    if path == STANDARD_INPUT:
        return Progress()
    try:
        memory = _Memory.model_validate_json(_memory_of(path).read_bytes())
    except FileNotFoundError:
        return Progress()
    except ValidationError as error:
        raise WeirError(f"{_memory_of(path)} cannot be read: remove it to begin anew.") from error
    if memory.size != Path(path).stat().st_size:
        raise WeirError(
            f"{path} has changed since its import was broken off: remove {_memory_of(path)} to begin anew; what is "
            "stored is not stored twice."
        )
    return memory.progress


def _remember(path: str, progress: Progress) -> None:
    with whole_file(_memory_of(path)) as file:
        file.write(_Memory(size=Path(path).stat().st_size, progress=progress).model_dump_json().encode())
