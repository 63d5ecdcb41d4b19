"""The floors of the house: what may import what, and how long things may get."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "encoders": {"encoders", "prompts"},
    "prompts": {"prompts"},
    "tools": {"tools", "encoders", "prompts"},
    "agent": {"agent", "tools", "encoders", "prompts"},
    "app_gradio": {"app_gradio", "agent", "tools", "encoders", "prompts"},
}
LONGEST_FILE, LONGEST_FUNCTION = 500, 60
FILES = sorted(path.relative_to(ROOT) for floor in MAY_IMPORT for path in ROOT.glob(f"{floor}*/**/*.py"))
FILES.append(Path("app_gradio.py"))


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(f"{'.' * node.level}{node.module or ''}")
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_run_down_only(path: Path) -> None:
    floor = path.parts[0].removesuffix(".py")
    ours = imported(path) & {*MAY_IMPORT, "tests", ""}
    assert ours <= MAY_IMPORT[floor]


def modules(path: Path) -> set[str]:
    """Modules that a file imports from, anywhere in it."""
    tree = ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
    return {node.module or "" for node in tree if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", [path for path in FILES if path.parts[0] == "tools"], ids=str)
def test_interfaces_stand_on_operations_and_nothing_on_them(path: Path) -> None:
    floors = ("tools.interfaces", "tools.operations")
    higher = {"interfaces": (), "operations": floors[:1]}.get(path.parts[1], floors)
    assert not [each for each in modules(path) if each.startswith(higher)]


def test_one_file_knows_chroma() -> None:
    assert [path for path in FILES if "chromadb" in imported(path)] == [Path("tools/storage/vectors.py")]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_nothing_gets_long(path: Path) -> None:
    text = (ROOT / path).read_text("utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [f.name for f in functions if (f.end_lineno or 0) - f.lineno + 1 > LONGEST_FUNCTION] == []


def test_models_are_never_pickled() -> None:
    assert [path for path in FILES if imported(path) & {"pickle", "joblib", "dill", "cloudpickle"}] == []
    assert [
        path for path in FILES if "torch.save" in (ROOT / path).read_text() or "torch.load" in (ROOT / path).read_text()
    ] == []
