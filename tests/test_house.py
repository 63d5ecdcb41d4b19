"""The house stands: imports run down its floors, files and functions stay short, its picture is what the code is.

Tests are part of it: they ask for what is public.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.architecture import PAGE, ROOT, above, imported, page, parsed, place, product_files

LONGEST_FILE, LONGEST_FUNCTION = 500, 60
FILES = product_files()
SHIPPED = [path for path in FILES if path.parts[0] != "benchmarks"]
TESTS = sorted(path.relative_to(ROOT) for path in ROOT.glob("tests/**/*.py"))
NAMED_SO_BY_OTHERS = {"os._exit"}
"""Has no other name: it ends a fork without running what its parent had registered."""


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


def test_our_own_sqlite_files_are_opened_in_one_room_and_those_of_others_in_another() -> None:
    opening = [path for path in FILES if "sqlite3.connect(" in (ROOT / path).read_text("utf-8")]
    assert {path.parent for path in opening} == {Path("tools/storage"), Path("encoders/data/databases")}


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


@pytest.mark.parametrize("path", TESTS, ids=str)
def test_tests_ask_for_what_is_public(path: Path) -> None:
    """What no test can ask for otherwise is public under a good name, or is no behaviour."""
    assert set(reaches(parsed(path))) - NAMED_SO_BY_OTHERS == set()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("shop._registry.members(name)", ["shop._registry"]),
        ("self.shop._registry", ["self.shop._registry"]),
        ("super()._run()", ["super()._run"]),
        ("from tools.access.callers import _TABLES as TABLES", ["tools.access.callers._TABLES"]),
        ("from tools._tokens import Tokens", ["tools._tokens.Tokens"]),
        ("import tools._tokens", ["tools._tokens"]),
        ("patch.setattr(fit, '_BATCH', 2)", ["_BATCH"]),
        ("patch.setattr('tools.fit._BATCH', 2)", ["tools.fit._BATCH"]),
        ("patch.setitem(vars(fit), '_BATCH', 2)", ["_BATCH"]),
        ("mock.patch.object(fit, '_batch')", ["_batch"]),
        ("getattr(fit, '_batch')", ["_batch"]),
        ("self._own, cls._own, shop.__dict__, _own, f(_env_file=None), f('_word')", []),
    ],
)
def test_a_reach_into_something_private_is_found(code: str, found: list[str]) -> None:
    assert list(reaches(ast.parse(code))) == found


def reaches(tree: ast.Module) -> Iterator[str]:
    """Every private name that the code uses of something else than its own class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls"):
            yield from (ast.unparse(node) for name in [node.attr] if is_private(name))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            names = [f"{module}{alias.name}" for alias in node.names]
            yield from (name for name in names if is_private(name))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(BY_STRING):
            named = [each.value for each in node.args[:2] if isinstance(each, ast.Constant)]
            yield from (name for name in named if isinstance(name, str) and is_private(name))


BY_STRING = ("attr", "setitem", "delitem", "patch", "patch.object")
"""Ends of the names of functions that take the name of something as a text."""


def is_private(name: str) -> bool:
    """Whether a part of a dotted name is private; dunders are not."""
    return any(part.startswith("_") and not part.endswith("__") for part in name.split("."))


def _packages(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in imported(path)}
