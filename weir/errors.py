"""The one error the command shows to a person."""


class WeirError(Exception):
    """A problem told in one sentence that includes the remedy.

    The command prints the message as it is and exits with status 1; no traceback. Raise it only for
    things the person at the terminal can do something about.
    """
