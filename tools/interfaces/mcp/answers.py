"""What a tool answers: the numbers rounded, the long parts on request, and beside them the same in words."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from math import floor, log10
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from tools.types import OnRequest

INCLUDE = "include"
"""The argument that names the parts of an answer which are given on request, the same for every tool."""
DIGITS = 4
"""Significant digits of a number that is no count and no id."""
_DIGITS_OF_A_CUT = 9
_CUTS = frozenset({"cut", "recommended_cut"})
"""Numbers that callers send back, and that decide who is in."""


def parts(kind: Any) -> tuple[str, ...]:
    """The fields of an answer of a type that are given on request only."""
    models = [each for each in (kind, *get_args(kind)) if isinstance(each, type) and issubclass(each, BaseModel)]
    return tuple(
        name
        for model in models
        for name, about in model.model_fields.items()
        if any(isinstance(each, OnRequest) for each in about.metadata)
    )


def is_wrapped(kind: Any) -> bool:
    """Whether an answer of a type stands in 'result', since it may be something else than an object."""
    return not (isinstance(kind, type) and issubclass(kind, BaseModel))


def content(answer: Any, kind: Any, include: Collection[str] = ()) -> dict[str, Any]:
    """The structured content of an answer.

    Args:
        answer: as the operation gave it.
        kind: the type that the operation declares.
        include: parts that are given on request.
    """
    left_out = frozenset(parts(kind)) - frozenset(include)
    found = plain(answer, left_out)
    return {"result": found} if is_wrapped(kind) else found


def rounded(number: float, digits: int = DIGITS) -> float:
    """The number to so many significant digits; of a large one, all digits before the point."""
    if not number:
        return number
    return round(number, max(0, digits - 1 - floor(log10(abs(number)))))


def plain(value: Any, left_out: Collection[str] = (), name: str = "") -> Any:
    """A value as JSON has it, with its numbers rounded.

    Args:
        value: a part of an answer, or all of it.
        left_out: fields of the outermost object that are not wanted.
        name: of the field that it stands in.
    """
    if isinstance(value, BaseModel):
        return {field: plain(each, (), field) for field, each in value if field not in left_out}
    if isinstance(value, Mapping):
        return {field: plain(each, (), field) for field, each in value.items()}
    if isinstance(value, float):
        return rounded(value, _DIGITS_OF_A_CUT if name in _CUTS else DIGITS)
    if isinstance(value, date):
        return to_jsonable_python(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each, (), name) for each in value]
    return value
