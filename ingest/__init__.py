"""The HTTP gateway: takes events of several protocols, settles what they mean, and makes them durable in Kafka.

In comes an HTTP request, out goes one line of an envelope on the raw topic, and then the answer. Control data comes
from ``weir.control`` and live sessions from ``weir.sessions``; the gateway knows no database and no store.
"""
