"""Queries to ClickHouse over HTTP: a few at a time, each within limits, errors in words of ours."""

import asyncio
import logging
import time
from typing import Any

import clickhouse_connect
from aiohttp import ClientError
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError, Error

from query_api.errors import QueryFailedError, QueryTooLargeError, UnavailableError
from query_api.metrics import Metrics
from query_api.settings import QueryApiSettings
from query_api.sql.builder import Query

log = logging.getLogger(__name__)

_TOO_LONG = {159, 160}
_TOO_MUCH_MEMORY = {241}
_TOO_MANY_ROWS = {158, 307, 396}
_BUSY = {202, 236, 439}


class Store:
    """Reads the store. Connects at the first query, so that the API starts while the store is away."""

    def __init__(self, settings: QueryApiSettings, metrics: Metrics) -> None:
        self._url = settings.clickhouse_url
        self._seconds = settings.query_seconds
        self._metrics = metrics
        self._slots = asyncio.Semaphore(settings.query_concurrency)
        self._connecting = asyncio.Lock()
        self._client: AsyncClient | None = None
        self._limits: dict[str, Any] = {
            # 2: no writing, but the limits below may still be set.
            "readonly": 2,
            "max_execution_time": settings.query_seconds,
            "timeout_overflow_mode": "throw",
            "max_memory_usage": settings.query_memory_bytes,
            "max_rows_to_read": settings.query_rows,
            "read_overflow_mode": "throw",
            # On a cluster, what a condition or a join looks up is asked of all shards, once.
            "distributed_product_mode": "global",
        }

    async def rows(self, query: Query) -> list[dict[str, Any]]:
        """The rows of a query, as column to value.

        :raises QueryTooLargeError: it needs more than one query may.
        :raises UnavailableError: the store does not answer, or has no time now.
        :raises QueryFailedError: the store refused it.
        """
        started = time.perf_counter()
        outcome = "failed"
        try:
            async with self._slots:
                client = await self._connected()
                result = await client.query(query.sql, parameters=query.parameters)
            outcome = "done"
            return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]
        except (ClickHouseError, ClientError, OSError, TimeoutError) as error:
            raise self._told(error) from error
        finally:
            self._metrics.query(outcome, time.perf_counter() - started)

    async def ping(self) -> None:
        """Raises UnavailableError unless the store answers."""
        await self.rows(Query("select 1 as one"))

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _connected(self) -> AsyncClient:
        async with self._connecting:
            if self._client is None:
                self._client = await clickhouse_connect.get_async_client(
                    dsn=self._url.get_secret_value(),
                    settings=self._limits,
                    connect_timeout=5,
                    send_receive_timeout=self._seconds + 10,
                    client_name="weir-query-api",
                )
            return self._client

    def _told(self, error: Exception) -> Exception:
        code = error.code if isinstance(error, Error) else None
        if code in _TOO_LONG:
            return QueryTooLargeError(
                f"The query takes longer than {self._seconds:g} seconds: ask for a shorter period.", "query_time"
            )
        if code in _TOO_MUCH_MEMORY:
            return QueryTooLargeError(
                "The query needs more memory than one query may: ask for a shorter period.", "query_memory"
            )
        if code in _TOO_MANY_ROWS:
            return QueryTooLargeError(
                "The query reads more rows than one query may: ask for a shorter period.", "query_rows"
            )
        if code is None or code in _BUSY:
            log.warning("the store does not answer: %s", error)
            return UnavailableError("The store does not answer at the moment.")
        log.error("the store refused a query: %s", error)
        return QueryFailedError("The store could not answer this query.")
