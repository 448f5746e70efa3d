"""The package's error tree."""


class ControlError(Exception):
    """Something about control data failed; the message is a sentence for an operator."""


class NotFoundError(ControlError):
    """The organisation, project or client does not exist."""


class InvalidIdError(ControlError):
    """The id has characters or a length that ids may not have."""


class InvalidChangeError(ControlError):
    """What was asked for is not possible; nothing was changed."""


class ConflictError(ControlError):
    """The id is taken, or the change contradicts what is there."""


class PublishError(ControlError):
    """``weir.control`` could not be read or written in time. Safe to retry."""


class OtherDatabaseError(ControlError):
    """``weir.control`` says what another control database says; nothing was written."""
