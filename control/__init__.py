"""Control data: organisations, projects, clients, salts and topic epochs, in a small SQL database.

The database is the truth; what gateways and workers need of it is published to the compacted topic
``weir.control`` (`control.publish`), so that ingestion goes on when the database is away.
"""
