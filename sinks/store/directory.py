"""The store's directory: who has it, and the engine's configuration in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sinks.errors import StoreError, StoreInUseError
from sinks.settings import StoreSettings
from sinks.store.memory import Memory

CONFIGURED = "weir_store_configured"
"""Name of the macro in the configuration by which one sees that it was read."""

_CONFIG = """<clickhouse>
    <!-- Written at each start. -->
    <timezone>UTC</timezone>
    <max_server_memory_usage>{memory.engine}</max_server_memory_usage>
    <merges_mutations_memory_usage_soft_limit>{memory.merges}</merges_mutations_memory_usage_soft_limit>
    <mark_cache_size>{memory.cache}</mark_cache_size>
    <primary_index_cache_size>{memory.cache}</primary_index_cache_size>
    <index_mark_cache_size>{memory.cache}</index_mark_cache_size>
    <text_index_dictionary_block_cache_size>{memory.cache}</text_index_dictionary_block_cache_size>
    <text_index_header_cache_size>{memory.cache}</text_index_header_cache_size>
    <text_index_postings_cache_size>{memory.cache}</text_index_postings_cache_size>
    <compiled_expression_cache_size>{memory.cache}</compiled_expression_cache_size>
    <uncompressed_cache_size>0</uncompressed_cache_size>
    <merge_tree>
        <!-- A full disk stops what comes in before it stops what is there: merges and deletes need room, too. -->
        <min_free_disk_bytes_to_perform_insert>{keep_free}</min_free_disk_bytes_to_perform_insert>
    </merge_tree>
    <!-- A Kafka table keeps its thread for up to a minute while messages flow: with fewer threads than tables, as the
         embedded engine has by itself, the others would wait for as long. -->
    <background_message_broker_schedule_pool_size>16</background_message_broker_schedule_pool_size>
    <background_schedule_pool_size>16</background_schedule_pool_size>
    <kafka>
        <session_timeout_ms>{session}</session_timeout_ms>
        <heartbeat_interval_ms>{heartbeat}</heartbeat_interval_ms>
    </kafka>
    <backups>
        <allowed_path>{backups}</allowed_path>
    </backups>
    <macros>
        <!-- Visible from within: so the store knows that the engine has read this file. -->
        <{mark}>1</{mark}>
    </macros>
</clickhouse>
"""


@contextmanager
def held(directory: Path) -> Iterator[Path]:
    """Make the directory and hold it for this process, until the block or the process ends, however it ends.

    :raises StoreInUseError: another process has it.
    :raises StoreError: it cannot be made or written.
    """
    lock = directory / "lock"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(
            f"The store's directory {directory} cannot be used ({error.strerror}): "
            "make it writable or name another one."
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            raise StoreInUseError(
                f"The store's directory {directory} is in use by process {owner}: "
                "stop that one first, or name another directory."
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield directory
    finally:
        os.close(handle)


def write_config(settings: StoreSettings, directory: Path, memory: Memory) -> Path:
    """The engine's configuration file, written anew. What an operator has put in ``config.d`` beside it goes before."""
    path = directory / "config.xml"
    backups = settings.backups or directory / "backups"
    backups.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(
        _CONFIG.format(
            session=settings.kafka_session_timeout_ms,
            heartbeat=settings.kafka_heartbeat_interval_ms,
            mark=CONFIGURED,
            memory=memory,
            keep_free=settings.keep_free_bytes,
            backups=backups.resolve(),
        )
    )
    return path
