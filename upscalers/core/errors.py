"""The two ways in which work on clips ends early. Messages are for the person who can fix it."""


class ClipError(Exception):
    """A clip, or what is asked of it, cannot be used; the message says why and what to do."""


class MethodError(ClipError):
    """A method cannot run here (missing weights, no memory); the message says what to do."""


class Cancelled(Exception):
    """Somebody asked for the work to stop; nothing of it is left behind."""
