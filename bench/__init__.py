"""Measurements, each with a bare baseline of its own, so that a figure is also a ratio."""
