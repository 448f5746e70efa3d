"""Believable traffic for trying Weir out: a shop, its visitors, and what they do, through the real gateway.

``run`` is the whole of it; ``weir demo`` calls it. What happens is made in ``traffic`` (no network, no clock, the
same seed gives the same), ``sending`` brings it to the gateway.
"""

from weir.demo.run import DemoReport, DemoSettings, Phase, run

__all__ = ["DemoReport", "DemoSettings", "Phase", "run"]
