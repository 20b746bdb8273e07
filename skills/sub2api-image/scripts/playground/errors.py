"""Everything that ends a script with one sentence instead of a traceback."""


class PlaygroundError(Exception):
    """A failure worded for the caller. `details` are further fields of the JSON line, e.g. `task_id`."""

    def __init__(self, message, **details):
        super().__init__(message)
        self.details = details


class Unreachable(PlaygroundError):
    """No whole answer came. `passing`: another try could help; `arrived`: the server may have acted on the request."""

    def __init__(self, message, passing=True, arrived=False):
        super().__init__(message)
        self.passing = passing
        self.arrived = arrived


class Refused(PlaygroundError):
    """The server answered with an error status. `retry_after` is in seconds, or None."""

    def __init__(self, status, message, retry_after=None, reason=None):
        details = {"reason": reason, "retry_after": retry_after}
        super().__init__(message, **{name: value for name, value in details.items() if value is not None})
        self.status = status
        self.retry_after = retry_after
