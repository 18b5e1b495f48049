"""Conditions as JSON Schema, made of models: what is stored and given out, and what the OpenAPI document says.

`parse` alone decides what is taken: it knows the fields, their types and the other names of operators.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue

from app.conditions.operators import Arity, Operator, arity
from app.conditions.parse import MAX_RULES, MAX_TEXT, MAX_VALUES

Scalar = Annotated[str, Field(max_length=MAX_TEXT)] | int | float | bool
Period = Annotated[str, Field(pattern=r"^[0-9]{1,5} (minute|hour|day|week|month|year)s?$", examples=["30 days"])]
Name = Annotated[str, Field(min_length=1, max_length=100)]


def _named(*wanted: Arity) -> Any:
    """Return the names of the operators that take so many values, as a type."""
    return Literal[tuple(one.value for one in Operator if arity(one) in wanted)]


class _Node(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    disabled: bool = Field(default=False, description="Kept, and not asked.")


class _Of(_Node):
    field: Name = Field(description="A name of GET /conditions/fields.")


class _Did(_Node):
    event: Name = Field(description="The type of event that is counted.")
    aggregate: Literal["count", "sum", "min", "max", "first", "last"] = "count"
    field: Name | None = Field(default=None, description="The number in the payload of which sum, min or max is taken.")
    currency: Annotated[str, Field(pattern=r"^([A-Z]{3}|any)$")] | None = Field(
        default=None,
        description="In which currency amounts count, or any; without it the club's, else the organisation's.",
    )
    within: Period | None = Field(default=None, description="How far back from now; without it ever.")
    where: "ConditionGroup | None" = Field(default=None, description="What the event's payload is asked.")


class _One(BaseModel):
    operator: _named(Arity.ONE)  # type: ignore[valid-type]
    value: Scalar


class _Pair(BaseModel):
    operator: _named(Arity.PAIR)  # type: ignore[valid-type]
    value: list[Scalar] = Field(min_length=2, max_length=2)


class _Many(BaseModel):
    operator: _named(Arity.MANY)  # type: ignore[valid-type]
    value: list[Scalar] = Field(min_length=1, max_length=MAX_VALUES)


class _FromNow(BaseModel):
    operator: _named(Arity.PERIOD)  # type: ignore[valid-type]
    value: Period


class _None(BaseModel):
    operator: _named(Arity.NONE)  # type: ignore[valid-type]


class ConditionOfOne(_One, _Of):
    """A rule on a field and one value."""


class ConditionOfPair(_Pair, _Of):
    """A rule on a field and two values, from and to."""


class ConditionOfMany(_Many, _Of):
    """A rule on a field and several values."""


class ConditionFromNow(_FromNow, _Of):
    """A rule on a day or an instant, told from now."""


class ConditionOfNone(_None, _Of):
    """A rule on whether anything is known."""


class BehaviourOfOne(_One, _Did):
    """A rule on what somebody did, and one value."""


class BehaviourOfPair(_Pair, _Did):
    """A rule on what somebody did, and two values, from and to."""


class BehaviourOfMany(_Many, _Did):
    """A rule on what somebody did, and several values."""


class BehaviourFromNow(_FromNow, _Did):
    """A rule on when somebody did something first or last, told from now."""


class BehaviourOfNone(_None, _Did):
    """A rule on whether somebody did something at all."""


class ConditionNot(_Node):
    """The contrary of what it holds; of unknown, unknown."""

    item: "ConditionNode" = Field(alias="not")


class ConditionGroup(_Node):
    """Members joined by AND or OR."""

    combinator: Literal["AND", "OR"]
    rules: list["ConditionNode"] = Field(max_length=MAX_RULES)


ConditionNode = (
    ConditionGroup
    | ConditionNot
    | ConditionOfOne
    | ConditionOfPair
    | ConditionOfMany
    | ConditionFromNow
    | ConditionOfNone
    | BehaviourOfOne
    | BehaviourOfPair
    | BehaviourOfMany
    | BehaviourFromNow
    | BehaviourOfNone
)
for _model in ConditionNode.__args__:
    _model.model_rebuild()


class _Described:
    """Lets a value through as it is, and describes it as conditions."""

    def __get_pydantic_json_schema__(self, _: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(ConditionGroup.__pydantic_core_schema__)


ConditionsJson = Annotated[dict[str, Any], _Described()]
"""What a body or an answer of the API holds conditions as: any object to pydantic, for `parse` to read."""


def schema() -> dict[str, Any]:
    """Return the JSON Schema of conditions as `to_json` gives them."""
    return TypeAdapter(ConditionGroup).json_schema()
