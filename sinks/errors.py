"""Everything that can go wrong in ``sinks``, as sentences a person can act on."""


class SinkError(Exception):
    """Base of the errors below; the message names the remedy."""


class StoreError(SinkError):
    """The embedded store cannot be opened."""


class StoreInUseError(StoreError):
    """Another process has the data directory open."""


class MigrationError(SinkError):
    """The schema cannot be brought up to date. Nothing is lost; running again is safe."""


class RestoreUnderWayError(MigrationError):
    """A restore was broken off: tables are there in part, and nothing may come in before it is run again."""


class AuditError(SinkError):
    """The audit could not look at everything it has to compare."""


class RebuildError(SinkError):
    """A rollup could not be rebuilt; the table it came from is untouched."""


class DeletionError(SinkError):
    """ClickHouse says that it deleted, and rows are still there. Run again, it goes on."""

    def __init__(self, table: str, left: int) -> None:
        super().__init__(
            f"ClickHouse says that it deleted, but {left:,} rows of {table} are still there: start ClickHouse again "
            "(weir down, weir up), then run this again."
        )


class LockedError(SinkError):
    """Somebody else does what only one may do at a time."""

    def __init__(self, host: str, process: int) -> None:
        self.owner = f"process {process} on {host}" if host else "somebody who has just begun"
        super().__init__(f"{self.owner} is at work already: wait for its end.")
