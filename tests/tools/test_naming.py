"""Names of audiences, of tuned demands and of those who approve: each shows what it holds, in every operation."""

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from encoders.errors import RequestError
from tools.naming import checked_approval, one_line
from tools.operations import inputs
from tools.operations.operation import Operation
from tools.operations.table import OPERATIONS

NO_NAMES = [
    " ",
    "\t\n",
    "\u200b",
    "\u00a0\u2003",
    "\0",
    "Ada\0",
    "Ada\x1b[2J",
    "\u202eadA",
    "a\u2066b\u2069",
    "\u202d",
    "\ud800",
]
NAMED = [
    pytest.param(operation, name, id=f"{operation.name}-{name}")
    for operation in OPERATIONS
    for name, about in operation.input.model_fields.items()
    if name == "approved_by" or inputs.Guarded.NAME in about.metadata
]


@pytest.mark.parametrize("bad", NO_NAMES, ids=ascii)
@pytest.mark.parametrize(("operation", "field"), NAMED)
def test_an_operation_takes_names_alone(operation: Operation, field: str, bad: str) -> None:
    given = dict(operation.example)
    asked: type[BaseModel] = operation.input
    asked.model_validate(given)
    with pytest.raises(ValidationError) as caught:
        asked.model_validate(given | {field: bad})
    assert {each["loc"] for each in caught.value.errors()} == {(field,)}


def test_operations_that_ask_for_a_person_are_all_looked_at() -> None:
    found = {each.values[0].name for each in NAMED if each.values[1] == "approved_by"}  # type: ignore[union-attr]
    assert found == {
        *("save", "combine", "record_outcome", "refresh", "forget"),
        *("rename", "archive", "take_back", "restore"),
    }


@pytest.mark.parametrize("good", ["Ada", "José Ñ", "李雷", "דנה", "محمد", "O'Neil-Smith", "🎉", "e\u0301a"])
def test_people_of_all_writings_have_names(good: str) -> None:
    assert TypeAdapter(inputs.ApprovedBy).validate_python(good) == good
    assert one_line(f" {good} \t{good}\n") == f"{good} {good}"


def test_a_person_is_named_outside_of_operations_as_well() -> None:
    with pytest.raises(RequestError, match="the person who approved it: it shows nothing"):
        checked_approval("  ")
