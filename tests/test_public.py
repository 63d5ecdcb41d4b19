"""What a program installs and imports: the extras, the names of the public module, and files that hide a package."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import audience_targeting
from encoders.errors import EXTRAS, MissingExtraError, named_extra
from encoders.workspace import Workspace
from tests.planted import world_settings

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DEMAND = "households that will buy coffee in the next 28 days"
BLOCKED = """
import sys

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {missing!r} else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Hiding(each) for each in sys.meta_path]
sys.argv = ["audience", *sys.argv[1:]]
from audience_targeting import main
main()
"""


def without(missing: set[str], workspace: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """What a command says where some modules are not installed."""
    code = BLOCKED.format(missing=missing)
    chosen = world_settings(workspace)
    env = os.environ | {"AUDIENCE_TEXT_ENCODER": chosen.text_encoder, "AUDIENCE_MINIMUM_SIZE": str(chosen.minimum_size)}
    given = [sys.executable, "-c", code, "--workspace", str(workspace), *command]
    return subprocess.run(given, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_extra_of_the_package_has_its_modules_named() -> None:
    owners = packages_distributions()
    extras = PROJECT["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"all", "databases", "dev"}
    for extra, modules in EXTRAS.items():
        asked = {plain(re.split(r"[\s=<>\[]", each)[0]) for each in extras[extra]}
        asked |= {plain(re.split(r"[\s=<>\[]", each)[0]) for each in PROJECT["dependencies"]}
        for module in set(modules) - {"xllamacpp"} & set(owners):
            brought = {plain(each) for each in owners[module]}
            known = asked | {"starlette", "mcp-types", "langchain-core"}  # they come with what is asked for
            assert brought & known, (extra, module)


def test_the_core_scores_and_sizes_without_any_extra(own_workspace: Workspace, tmp_path: Path) -> None:
    missing = {module for modules in EXTRAS.values() for module in modules}
    demands, out = tmp_path / "demands.jsonl", tmp_path / "scores.parquet"
    demands.write_text(f'{{"id": "1", "demand": "{DEMAND}"}}\n')
    score = without(missing, own_workspace.path, "score", "--demands", str(demands), "--out", str(out))
    assert score.returncode == 0, score.stderr
    assert out.exists()
    size = without(missing, own_workspace.path, "size", DEMAND, "--json")
    assert size.returncode == 0, size.stderr


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [(("serve",), "gradio", "ui"), (("ask", DEMAND), "langgraph", "agent"), (("index",), "chromadb", "chroma")],
)
def test_what_is_missing_is_said_with_the_line_that_installs_it(
    command: tuple[str, ...], module: str, extra: str, own_workspace: Workspace
) -> None:
    done = without({module}, own_workspace.path, *command)
    assert done.returncode == 2, done.stderr
    assert f"pip install 'audience-targeting[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_module_of_no_extra_is_missing_as_it_is() -> None:
    with pytest.raises(ModuleNotFoundError, match="surely_not_there"), named_extra():
        import surely_not_there  # type: ignore[import-not-found]  # noqa: F401
    assert not issubclass(MissingExtraError, ModuleNotFoundError)


def test_every_public_name_can_be_imported() -> None:
    for name in audience_targeting.__all__:
        assert getattr(audience_targeting, name)
    with pytest.raises(AttributeError):
        audience_targeting.nothing  # noqa: B018


def test_a_file_that_hides_a_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "tools.py").write_text("")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import audience_targeting"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert str(tmp_path / "tools.py") in done.stderr
    assert "Rename that file" in done.stderr


def test_importing_the_public_module_brings_no_heavy_package() -> None:
    code = (
        "import audience_targeting, sys; print(sorted({'torch', 'gradio', 'polars', 'langchain'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
