"""``python -m ingest``: the gateway, with its settings from the environment."""

import sys

from ingest.server import serve
from ingest.settings import GatewaySettings
from schemas.log_lines import log_to_stderr

if __name__ == "__main__":
    settings = GatewaySettings()
    log_to_stderr(settings.log_format)
    sys.exit(serve(settings))
