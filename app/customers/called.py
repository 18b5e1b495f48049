"""What a customer is called wherever they are shown: by name, else by an address or number, else by one word."""

UNNAMED = "Unnamed"


def called(
    first_name: str | None,
    last_name: str | None,
    *,
    title: str | None = None,
    email: str | None = None,
    phone: str | None = None,
) -> str:
    """Return what to call somebody of whom this is known."""
    return " ".join(filter(None, (title, first_name, last_name))) or email or phone or UNNAMED
