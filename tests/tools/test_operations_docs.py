"""The tables of the documentation are those of the operations."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.architecture import ROOT, product_files
from dev.operation_tables import DOCS, TABLES, written
from tools.operations.table import OPERATIONS

SHIPPED = [path for path in product_files() if path.parts[0] != "benchmarks"]


@pytest.mark.parametrize(("page", "name"), TABLES)
def test_a_page_has_every_operation_as_it_is(page: str, name: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    assert written(text, name, TABLES[page, name]()) == text, "run: python dev/operation_tables.py"


def test_an_operation_that_is_missing_somewhere_says_why() -> None:
    for operation in OPERATIONS:
        for interface, why in operation.not_over.items():
            page = (DOCS / f"{interface.lower()}.md").read_text("utf-8")
            assert f"- `{operation.name}` is not offered: {why}." in page


def test_what_is_said_of_an_operation_stands_once() -> None:
    """Commands and the tools of the language model take it from the table."""
    written = Counter(text for path in SHIPPED for text in _texts(path))
    for operation in OPERATIONS:
        assert written[operation.summary] == 1, operation.name
        said = {name: operation.says(name) for name in operation.input.model_fields if operation.says(name)}
        assert {name: written[text] for name, text in said.items() if written[text] != 1} == {}, operation.name


def _texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.partition("\n")[0]


def test_what_contributors_are_shown_is_what_is_there() -> None:
    text = (DOCS.parent / "CONTRIBUTING.md").read_text("utf-8")
    shown = text.partition("```diff\n+++ ")[2].partition("```")[0].split("+++ ")
    assert len(shown) == 2
    for part in shown:
        path, *lines = part.splitlines()
        assert "\n".join(line.removeprefix("+") for line in lines) in (DOCS.parent / path).read_text("utf-8")
