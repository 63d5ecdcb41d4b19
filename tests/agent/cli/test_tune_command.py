"""``audience tune`` and ``audience size --like``, on the trained planted world."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli.main import app
from encoders.errors import RequestError
from encoders.settings import settings
from encoders.workspace import Workspace
from tests.planted import AS_OF, World
from tools.audiences.seeds import read_seeds

Run = Callable[..., Result]


@pytest.fixture
def run(own_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a trained workspace, in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(own_workspace.path))
    monkeypatch.setenv("AUDIENCE_MINIMUM_SIZE", "20")
    monkeypatch.setenv("AUDIENCE_TEXT_ENCODER", "use")
    settings.cache_clear()
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="audience")


@pytest.fixture
def tea_drinkers(world: World) -> list[str]:
    return sorted(world.had_done("tea") & world.habits["tea"])[:12]


def fails_in_one_line(result: Result, words: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert words in result.stderr


def test_a_list_of_users_is_tuned_and_sized(run: Run, tea_drinkers: list[str], tmp_path: Path) -> None:
    file = tmp_path / "seeds.txt"
    file.write_text("\n".join([*tea_drinkers, "stranger", ""]))
    result = run("tune", "Tea drinkers", "--seeds", str(file))
    assert result.exit_code == 0, result.output
    assert "'Tea drinkers', from 12 users: households that will buy tea" in result.stdout
    assert "note: 1 have no events before" in result.stdout
    assert "audience size --like 'Tea drinkers'" in result.stdout
    sized = json.loads(run("size", "--like", "tea drinkers", "--cut", "0.1", "--json").stdout)
    assert sized["reads_as"][0] == "tea"
    assert sized["cut"] == 0.1
    assert sized["as_of"] == AS_OF.isoformat()


def test_a_sentence_is_tuned(run: Run, tea_drinkers: list[str], tmp_path: Path) -> None:
    file = tmp_path / "seeds.csv"
    file.write_text("spent,user_id\n" + "\n".join(f"1,{user}" for user in tea_drinkers))
    result = run("tune", "nice", "--demand", "people who will buy something nice", "--seeds", str(file), "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["demand"], told["seeds"]) == ("people who will buy something nice", 12)
    assert told["auc_after"] > told["auc_before"]
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tune"], "Missing argument 'name'"),
        (["tune", "x"], "either --seeds FILE or --audience NAME"),
        (["tune", "x", "--seeds", "a.txt", "--audience", "b"], "either --seeds FILE or --audience NAME"),
        (["tune", "x", "--seeds", "a.txt"], "a.txt cannot be read (FileNotFoundError)"),
        (["tune", "x", "--audience", "nobody"], "There is no saved audience 'nobody'"),
        (["tune", "../x", "--seeds", "few.txt"], "'../x' cannot name a tuned demand"),
        (["tune", "x", "--seeds", "few.txt"], "needs at least 5 users"),
        (["tune", "x", "--seeds", "empty.txt"], "empty.txt names no user"),
        (["size"], "Missing argument 'demand'"),
        (["size", "tea", "--like", "x"], "Give a sentence or --like, not both"),
        (["size", "--like", "x"], "There is no tuned demand 'x'; none is kept yet"),
        (["size", "--like", "../x"], "cannot name a tuned demand"),
    ],
)
def test_bad_input_is_told_in_one_line(run: Run, arguments: list[str], words: str) -> None:
    Path("few.txt").write_text("h000\nh001\n")
    Path("empty.txt").write_text("\n \n")
    fails_in_one_line(run(*arguments), words)


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("a\nb\n\nc", ["a", "b", "c"]),
        ("user_id\na\nb\n", ["a", "b"]),
        ("\ufeffuser_id,age\r\na,3\r\nb,4\r\n,5\r\n", ["a", "b"]),
        ('age,user_id\n3,"a, b"\n4\n', ["a, b"]),
        (" a \n", ["a"]),
    ],
)
def test_files_of_users_are_read(text: str, users: list[str], tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_bytes(text.encode())
    assert read_seeds(file) == users


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "names no user"), (b"a,b\nc,d\n", "none of them 'user_id'"), (b"\xff\xfe\x00", "UnicodeDecodeError")],
)
def test_files_that_name_no_users_are_refused(content: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_bytes(content)
    with pytest.raises(RequestError, match=words):
        read_seeds(file)


@pytest.mark.parametrize(
    ("content", "users"),
    [
        (b"12;34;56\n", ["12", "34", "56"]),
        (b"User_ID;age\n12.0;3\n'-7;4\n", ["12", "-7"]),
        ("user_id\nkäthe\n".encode("cp1252"), ["käthe"]),
        ("user_id\tage\na\t3\n".encode("utf-16"), ["a"]),
        (b'age;user_id\n27" tall;b\n', ["b"]),
    ],
)
def test_files_of_users_are_read_as_people_write_them(content: bytes, users: list[str], tmp_path: Path) -> None:
    (tmp_path / "users").write_bytes(content)
    assert read_seeds(tmp_path / "users") == users


def test_ids_that_lost_their_digits_are_refused(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("user_id\n1.23E+16\n")
    with pytest.raises(
        RequestError, match=r"Ids in users lost their last digits, such as '1.23E\+16'; write them as text"
    ):
        read_seeds(tmp_path / "users")
