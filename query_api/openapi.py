"""``python -m query_api.openapi``: the OpenAPI document on standard output, from which the page's types are made."""

import sys

import orjson

from query_api.app import openapi_document


def main() -> None:
    """Write the document; the same code gives the same bytes."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    sys.stdout.buffer.write(orjson.dumps(openapi_document(), option=options))


if __name__ == "__main__":
    main()
