"""The schemas of the tools, said as briefly as they can be: a model reads them all, in every conversation."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from tools.interfaces.mcp.answers import INCLUDE, is_wrapped, parts
from tools.operations.operation import Operation

Schema = dict[str, Any]

_DEFS = "#/$defs/"
_LEFT_OUT = frozenset({"title", "examples", "maxLength", "minLength", "maxItems", "additionalProperties"})
"""Names that say what the field says, and limits that no sensible call meets; the server holds them all the same."""
_TYPES = ("type", "enum", "const")
"""All that is said of a field of an answer."""


def input_schema(operation: Operation) -> Schema:
    """What a tool takes: the arguments of the operation, and the parts of the answer that are given on request."""
    schema = short(operation.input.model_json_schema()) | {"additionalProperties": False}
    if more := parts(operation.output):
        schema["properties"][INCLUDE] = {
            "type": "array",
            "items": {"enum": list(more)},
            "default": [],
            "description": "Long parts of the answer that are wanted, too.",
        }
    return schema


def output_schema(operation: Operation) -> Schema:
    """What a tool answers: its fields and their types, but not what is inside the objects in them.

    An answer that is no object stands in 'result'.
    """
    schema = TypeAdapter(operation.output).json_schema(mode="serialization")
    definitions = schema.get("$defs", {})
    if is_wrapped(operation.output):
        return {"type": "object", "properties": {"result": _outline(schema, definitions, 2)}, "required": ["result"]}
    return _outline(schema, definitions, 1)


def _outline(schema: Schema, definitions: Mapping[str, Schema], depth: int) -> Schema:
    """The types in a schema, with the fields of objects down to a depth."""
    if "$ref" in schema:
        return _outline(definitions[schema["$ref"].removeprefix(_DEFS)], definitions, depth)
    if "anyOf" in schema:
        choices = [_outline(each, definitions, depth) for each in schema["anyOf"]]
        names = [each["type"] for each in choices if each.keys() == {"type"}]
        plain = [{"type": names[0] if len(names) == 1 else names}] if names else []
        others = [each for each in choices if each.keys() != {"type"}]
        return {"anyOf": [*others, *plain]} if others else plain[0]
    found = {name: schema[name] for name in _TYPES if name in schema}
    if "items" in schema and depth:
        found["items"] = _outline(schema["items"], definitions, depth - (found.get("type") != "array"))
    if "properties" in schema and depth:
        fields = {name: _outline(each, definitions, depth - 1) for name, each in schema["properties"].items()}
        found |= {"properties": fields}
    return found


def short(schema: Schema) -> Schema:
    """The schema of arguments with fewer words: what is referred to once stands in its place, the rest in '$defs'."""
    definitions = schema.get("$defs", {})
    times = Counter(_references(schema))
    once = {name: each for name, each in definitions.items() if times[name] == 1}
    kept = {name: _short(each, once) for name, each in definitions.items() if times[name] > 1}
    found: Schema = _short({name: each for name, each in schema.items() if name != "$defs"}, once)
    return found | ({"$defs": kept} if kept else {})


def _short(schema: Any, once: Mapping[str, Schema]) -> Any:
    if isinstance(schema, list):
        return [_short(each, once) for each in schema]
    if not isinstance(schema, dict):
        return schema
    name = str(schema.get("$ref", "")).removeprefix(_DEFS)
    if name in once:
        return _short(once[name] | {key: value for key, value in schema.items() if key != "$ref"}, once)
    kept = {key: value for key, value in schema.items() if key not in _LEFT_OUT and (key != "default" or value)}
    if "properties" in schema and "description" in kept:  # of a type: its first sentence
        kept["description"] = kept["description"].partition(". ")[0].partition("\n")[0]
    fields = {key: _short(each, once) for key, each in schema.get("properties", {}).items()}
    return {key: fields if key == "properties" else _short(value, once) for key, value in kept.items()}


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)
    elif isinstance(schema, dict):
        if "$ref" in schema:
            yield str(schema["$ref"]).removeprefix(_DEFS)
        for each in schema.values():
            yield from _references(each)
