"""The `weir` command: the local stack, its supervisor, and a thin call into each service."""
