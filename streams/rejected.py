"""Why a line can't have its effect."""


class Rejected(Exception):
    """A line that becomes a dead letter: ``reason`` is one machine-readable word, ``detail`` a sentence."""

    def __init__(self, reason: str, detail: str, project_id: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.project_id = project_id
