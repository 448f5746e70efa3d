"""Settings of the raw archive, from the environment (prefix ``WEIR_ARCHIVE_``)."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ArchiveSettings(BaseSettings):
    """Where the archive is, and how it is written. Nothing is archived while ``location`` is empty."""

    model_config = SettingsConfigDict(env_prefix="WEIR_ARCHIVE_", frozen=True, extra="ignore")

    location: str = Field(
        "", description="A folder, or s3://bucket/folder?region=…&endpoint_override=…; empty for no archive."
    )
    flush_seconds: float = Field(900, gt=0, description="A part is written after so long, though its hour goes on.")
    memory_mib: int = Field(
        64, ge=8, le=4096, description="Messages held in memory; beyond it parts are written early."
    )
    metrics_host: str = Field("127.0.0.1", description="Where metrics are served.")
    metrics_port: int = Field(8054, ge=1, le=65535, description="Port of the metrics.")
