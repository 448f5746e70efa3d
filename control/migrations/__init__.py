"""Alembic's folder: the environment and the numbered revisions."""
