"""``python -m sinks.store``: the store alone, configured by its environment."""

import logging
import sys

from sinks.errors import StoreError
from sinks.settings import StoreSettings
from sinks.store.server import serve


def main() -> int:
    """Serve until a signal; 1 with a sentence on standard error when it cannot start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        serve(StoreSettings())
    except StoreError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
