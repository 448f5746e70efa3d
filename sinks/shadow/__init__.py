"""Rows that history would have with today's code: made beside the tables, compared with them, put in their place."""
