"""The set-ups that docs/ingest/proxy.md shows, pointed at a gateway of the tests."""

import re

from tests.broker import REPOSITORY

PREFIX = "/api/v1/analytics"
GATEWAY = "127.0.0.1:8050"
"""Where the page has it."""
_PAGE = REPOSITORY / "docs" / "ingest" / "proxy.md"


def documented(language: str, gateway: str) -> list[str]:
    """The page's blocks in this language, in their order, with ``gateway`` (host:port) in place of the one shown."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", _PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks, f"{_PAGE.name} shows no {language}"
    assert any(GATEWAY in block for block in blocks)
    return [block.replace(GATEWAY, gateway) for block in blocks]
