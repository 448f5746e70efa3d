import pytest

# What they assert is told as in the tests themselves.
pytest.register_assert_rewrite("tests.integration.streams.lab", "tests.integration.streams.replay")
