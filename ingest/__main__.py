"""``python -m ingest``: the gateway, with its settings from the environment."""

import logging
import sys

from ingest.server import serve
from ingest.settings import GatewaySettings

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.exit(serve(GatewaySettings()))
