"""The one error the command shows to a person."""

RESTORE_UNDER_WAY = 3
"""Exit status of `weir migrate` when it has to wait for the end of a restore."""


class WeirError(Exception):
    """A problem told in one sentence that includes the remedy.

    The command prints the message as it is and exits with ``status``; no traceback. Raise it only for
    things the person at the terminal can do something about.
    """

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status
