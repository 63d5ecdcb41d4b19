"""Users' attributes in Chroma's words: what a record keeps of them, and what a filter asks for."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from encoders.errors import RequestError
from tools.types import Filter

Attributes = Mapping[str, str | None]


def condition(wanted: Filter, fields: Mapping[str, list[str]]) -> dict[str, Any]:
    """A filter in Chroma's words; an empty one lets nobody through.

    Chroma's own "not in" would also pass users whose value is unknown, so it is spelled out as "in the others".
    """
    if wanted.field not in fields:
        raise RequestError(f"No user has the attribute '{wanted.field}'; there are: {', '.join(sorted(fields))}.")
    values = [value for value in fields[wanted.field] if (value in wanted.values) == (wanted.op == "is")]
    return {wanted.field: {"$in": values} if values else {}}


def known(attributes: Attributes) -> dict[str, str | int]:
    """The attributes that are known."""
    return {field: value for field, value in attributes.items() if value is not None}


def fields(attributes: Sequence[Attributes]) -> str:
    """The values of every attribute, as JSON."""
    fields: dict[str, set[str]] = {}
    for row in attributes:
        for field, value in row.items():
            if value is not None:
                fields.setdefault(field, set()).add(value)
    return json.dumps({field: sorted(values) for field, values in fields.items()})
