"""Tokens with one letter changed."""


def tampered(token: str) -> str:
    """`token` with a letter in its middle changed for another.

    A fixed ending will not do: one token in 256 ends in it already, and the last letter of base64 may hold spare bits.
    """
    middle = len(token) // 2
    return token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
