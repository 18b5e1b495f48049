"""What is wrong with a value that does not fit a model, in plain words: what to write instead."""

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "uuid_parsing": "Choose one from the list.",
    "uuid_type": "Choose one from the list.",
    "literal_error": "Choose one of {expected}.",
    "int_type": "Give a whole number.",
    "int_parsing": "Give a whole number.",
    "int_parsing_size": "Give a smaller number.",
    "int_from_float": "Give a whole number.",
    "float_type": "Give a number.",
    "float_parsing": "Give a number.",
    "finite_number": "Give a number.",
    "greater_than_equal": "Give a number from {ge}.",
    "less_than_equal": "Give a number up to {le}.",
    "string_too_short": "Fill this in.",
    "string_too_long": "Use at most {max_length} characters.",
    "too_long": "Give at most {max_length}.",
    "too_short": "Give at least {min_length}.",
    "date_from_datetime_parsing": "Give a day such as 2026-11-22.",
    "date_parsing": "Give a day such as 2026-11-22.",
    "bool_type": "Say true or false.",
    "bool_parsing": "Say true or false.",
    "string_type": "Give a text.",
    "list_type": "Give a list.",
    "dict_type": "Give names, each with its value.",
    "date_type": "Give a day such as 2026-11-22.",
    "date_from_datetime_inexact": "Give a day such as 2026-11-22.",
    "missing": "Fill this in.",
}
"""What people are told of values that don't fit, by what pydantic calls it."""


def plainly(error: Mapping[str, Any], unknown: str = "There is no such setting.") -> str:
    """Return what to tell people of one of the errors of a ValidationError; `unknown` of a name that there is not."""
    if error["type"] == "extra_forbidden":
        return unknown
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    words = _WORDS.get(error["type"])
    return words.format(**error.get("ctx", {})) if words else f"{error['msg']}."
