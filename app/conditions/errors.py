"""What is said when conditions can't be used as they are."""

from app.infra.errors import Invalid


class InvalidConditions(Invalid):
    """The conditions are wrong; `errors` has a message for the path of each rule or group that is.

    Paths are `rules[1].rules[0]`; the whole is the empty path.
    """

    title = "Check the conditions"


class NotEvaluable(InvalidConditions):
    """The conditions are well formed, but ask what this reader can't answer: SQL only, or a payload only."""
