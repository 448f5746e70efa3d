"""Every SQL text of the query API. Nothing here connects to anything."""
