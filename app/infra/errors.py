"""Errors a person can act on. Each room raises its own subclasses beside the function that needs them."""

from collections.abc import Mapping


class UserError(Exception):
    """Something the caller can put right; `message` is shown as it is, `field` names the input it concerns."""

    status = 400
    title = "Bad request"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    @property
    def errors(self) -> dict[str, str]:
        """Return the messages by field name; empty when the error concerns no field."""
        return {self.field: self.message} if self.field else {}

    @property
    def told(self) -> dict[str, str]:
        """Return what a page says: of Invalid the messages by field, else the message by ""."""
        return {"": self.message}


class NotFound(UserError):
    """What was asked for does not exist in this tenant (or never did: the two look the same from outside)."""

    status = 404
    title = "Not found"


class Conflict(UserError):
    """The act does not fit the state things are in now."""

    status = 409
    title = "Conflict"


class IsArchived(Conflict):
    """A thing (its word: "segment") is in the archive, where nothing can be done with it but take it out."""

    def __init__(self, thing: str) -> None:
        super().__init__(f"The {thing} is in the archive. Take it out first.")


class Forbidden(UserError):
    """The signed-in user's role does not allow the act."""

    status = 403
    title = "Not allowed"


class Invalid(UserError):
    """One or more inputs are wrong; `errors` holds a message for each field."""

    status = 422
    title = "Check the input"

    def __init__(self, errors: Mapping[str, str], message: str | None = None) -> None:
        super().__init__(message or "; ".join(f"{name}: {text}" for name, text in errors.items()))
        self._errors = dict(errors)

    @property
    def errors(self) -> dict[str, str]:
        return self._errors

    @property
    def told(self) -> dict[str, str]:
        return self._errors
