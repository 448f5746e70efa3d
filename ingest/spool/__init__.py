"""The spool: envelopes on disk, durable, while Kafka is away. Knows no Kafka and no HTTP.

``records`` is the format, ``segments`` writes and reads the files, ``directories`` says whose they are, ``estate``
takes over what ended processes left, ``backlog`` knows what waits, and ``spool`` commits in groups without holding up
the event loop.
"""
