"""Names of sites: what a project's origins say of whose site a host is, where the host alone has to tell.

A name is a host (``shop.example``) or a star for all below one (``*.shop.example``). Only what somebody can have
registered is a name: no address, no single label (``localhost``), and no star over a public suffix (``*.com``,
``*.co.uk``, ``*.github.io``; https://publicsuffix.org). Such origins let pages in and name nobody's site.
"""

from collections.abc import Iterable
from functools import lru_cache

from publicsuffixlist import PublicSuffixList

from schemas.origins import canonical_host, named_host


def site_names(origins: Iterable[str]) -> frozenset[str]:
    """The names that a project's origins give to it; scheme and port make no difference."""
    return frozenset(name for entry in origins if (name := _site_name(entry)))


def covering_names(host: str) -> list[str]:
    """All names that a host may have a site by, the most specific first; none if it is no host. ``www.`` counts as
    the host without it.
    """
    labels = canonical_host(host).removeprefix("www.").split(".")
    if len(labels) < 2:
        return []
    return [".".join(labels), *(f"*.{'.'.join(labels[cut:])}" for cut in range(1, len(labels) - 1))]


def overlap(one: str, other: str) -> bool:
    """Whether some host has both names."""
    if one == other:
        return True
    return (one.startswith("*.") and _is_below(other, one)) or (other.startswith("*.") and _is_below(one, other))


def _is_below(name: str, star: str) -> bool:
    return name.removeprefix("*.").endswith(star[1:])


def _site_name(entry: str) -> str:
    named = named_host(entry)
    if named is None:
        return ""
    host, subdomains = named
    if "." not in host or host.rpartition(".")[2].isdigit():
        return ""
    if not subdomains:
        return host
    return f"*.{host}" if _suffixes().privatesuffix(host) else ""


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    # The list comes with the package; a suffix that is newer than it counts as everybody's last label does.
    return PublicSuffixList()
