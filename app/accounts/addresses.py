"""E-mail addresses of users: how they are checked and which two are the same."""

from email_validator import EmailNotValidError, validate_email

from app.infra.errors import Invalid


def checked(text: str, *, field: str = "email") -> str:
    """Return an address in its normal form, or raise Invalid with a sentence for `field`. Nothing is looked up."""
    try:
        return str(validate_email(text.strip(), check_deliverability=False).normalized)
    except (EmailNotValidError, UnicodeError):
        raise Invalid({field: "Enter an e-mail address like name@example.com."}) from None


def key(email: str) -> str:
    """Return what two spellings of one address have in common: surrounding space and case don't count."""
    return email.strip().casefold()


def known_key(text: str) -> str | None:
    """Return the key of an address typed by a stranger, or None when it cannot be anybody's."""
    try:
        return key(checked(text))
    except Invalid:
        return None
