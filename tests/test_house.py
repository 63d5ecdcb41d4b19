"""The house stands: imports run down its floors, files and functions stay short, its picture is what the code is."""

import ast
from pathlib import Path

import pytest

from dev.architecture import PAGE, ROOT, above, imported, page, parsed, place, product_files

LONGEST_FILE, LONGEST_FUNCTION = 500, 60
FILES = product_files()
SHIPPED = [path for path in FILES if path.parts[0] != "benchmarks"]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_run_down_only(path: Path) -> None:
    assert above(path) == []
    floors = {place(module)[0] for module in imported(path)}
    assert "" not in floors
    assert "tests" not in floors or path.parts[0] == "benchmarks"  # the only floor that no one installs


def test_the_picture_of_the_floors_is_drawn_from_the_imports() -> None:
    assert page() == PAGE.read_text("utf-8"), "run: python dev/architecture.py"


def modules(path: Path) -> set[str]:
    """Modules that a file imports from, anywhere in it."""
    return {node.module or "" for node in ast.walk(parsed(path)) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", [path for path in FILES if path.parts[0] == "tools"], ids=str)
def test_interfaces_stand_on_operations_and_nothing_on_them(path: Path) -> None:
    floors = ("tools.interfaces", "tools.operations")
    higher = {"interfaces": (), "operations": floors[:1]}.get(path.parts[1], floors)
    assert not [each for each in modules(path) if each.startswith(higher)]


def test_one_room_opens_sqlite_files() -> None:
    opening = [path for path in FILES if "sqlite3.connect(" in (ROOT / path).read_text("utf-8")]
    assert {path.parent for path in opening} == {Path("tools/storage")}


def test_one_file_knows_chroma() -> None:
    assert [path for path in FILES if "chromadb" in _packages(path)] == [Path("tools/storage/vectors.py")]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_nothing_gets_long(path: Path) -> None:
    text = (ROOT / path).read_text("utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    functions = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [f.name for f in functions if (f.end_lineno or 0) - f.lineno + 1 > LONGEST_FUNCTION] == []


def test_models_are_never_pickled() -> None:
    assert [path for path in SHIPPED if _packages(path) & {"pickle", "joblib", "dill", "cloudpickle"}] == []
    assert [
        path for path in FILES if "torch.save" in (ROOT / path).read_text() or "torch.load" in (ROOT / path).read_text()
    ] == []


def _packages(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in imported(path)}
