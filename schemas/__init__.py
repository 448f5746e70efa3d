"""The formats that travel between Weir's processes, and the functions that two processes must compute alike.

This package imports nothing else of Weir. Units are in the field names or docstrings: times are milliseconds
since the Unix epoch in raw events and state, and UTC text ``YYYY-MM-DD hh:mm:ss.mmm`` in rows for ClickHouse;
money is in minor units (cents); coordinates are degrees.
"""
