import errno
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from encoders.checksums import write_checksums
from encoders.errors import DiskError, ModelError, WorkspaceError
from encoders.reader.knowledge import GROUNDED, write_table
from encoders.workspace import MODEL_FILES, SHARED, Workspace, atomic_file, atomic_folder, plain_faults, set_aside
from tests.faulty import flip


def run_and_kill(code: str, *arguments: object) -> None:
    """Run Python code that kills its own process the hard way."""
    preamble = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom encoders.workspace import *\n"
        "die = lambda: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", preamble + code, *map(str, arguments)], check=False)
    assert done.returncode == -signal.SIGKILL


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_model(workspace: Workspace, version: str, files: tuple[str, ...] = MODEL_FILES, time: int = 0) -> Path:
    folder = workspace.models_folder / version
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).write_text("{}")
        os.utime(folder / name, (time, time))
    return folder


def test_opening_a_workspace_makes_nothing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "new")
    assert workspace.models() == []
    assert not workspace.path.exists()


def test_a_file_in_place_of_the_workspace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="is a file; set AUDIENCE_WORKSPACE to a folder"):
        Workspace(tmp_path / "file")


def test_models_are_newest_first_and_half_written_ones_are_passed_over(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    old = write_model(workspace, "zz-old", time=1_000)
    new = write_model(workspace, "aa-new", time=2_000)
    write_model(workspace, "half", MODEL_FILES[:2], time=3_000)
    write_model(workspace, ".hidden", time=4_000)
    assert workspace.models() == [new, old]
    assert workspace.newest_model() == new


def test_a_workspace_without_a_model_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="audience train"):
        Workspace(tmp_path).newest_model()


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "sub" / "file.txt"
    with atomic_file(target) as part:
        part.write_text("first")
        assert not target.exists()
    with atomic_file(target) as part:
        part.write_text("second")
        assert target.read_text() == "first"
    assert target.read_text() == "second"
    assert names(target.parent) == ["file.txt"]


def test_a_private_file_is_private_from_its_first_byte(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "secret") as part:
        pl.DataFrame({"a": [1]}).write_csv(part)
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_file_for_elsewhere_has_the_permissions_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with atomic_file(tmp_path / "answers.jsonl", SHARED) as part:
            part.write_text("{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "answers.jsonl").stat().st_mode) == 0o644


def test_nothing_that_is_written_is_open_to_others(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        workspace = Workspace(tmp_path / "workspace")
        with workspace.lock("train"), atomic_folder(workspace.models_folder / "m1") as part:
            (part / "config.json").write_text("{}")
        write_checksums(workspace.models_folder / "m1")
        write_table(workspace.path / GROUNDED, {"scones": ("bread",)}, "made")
        workspace.mask_key()
        with atomic_file(workspace.path / "jobs.db") as part:
            part.write_text("damaged")
        set_aside(workspace.path / "jobs.db", workspace.path / "damaged", "jobs begin anew")
    finally:
        os.umask(before)
    written = list(workspace.path.rglob("*"))
    assert len(written) > 8
    assert [path for path in written if path.stat().st_mode & 0o077] == []


def write_and_fail(path: Path) -> None:
    path.write_text("new")
    raise KeyError


def test_an_error_while_writing_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("old")
    with pytest.raises(KeyError), atomic_file(tmp_path / "file") as part:
        write_and_fail(part)
    with pytest.raises(KeyError), atomic_folder(tmp_path / "folder") as part:
        write_and_fail(part / "b")
    assert names(tmp_path) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path / "folder") == ["a"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "data"
    for content in ("a", "b"):
        with atomic_folder(target) as part:
            (part / "deep").mkdir()
            (part / "deep" / content).write_text(content)
    assert names(tmp_path) == ["data"]
    assert names(target / "deep") == ["b"]


def test_what_a_killed_process_left_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("old")
    run_and_kill(
        "with atomic_folder(Path(sys.argv[1])) as p:\n (p / 'b').write_text('half')\n die()", tmp_path / "data"
    )
    run_and_kill("with atomic_file(Path(sys.argv[1])) as p:\n p.write_text('half')\n die()", tmp_path / "file")
    run_and_kill(
        "with atomic_file(Path(sys.argv[1])) as p:\n p.write_text('half')\n die()", tmp_path / "erasures" / "a"
    )
    assert (len(names(tmp_path)), len(names(tmp_path / "erasures"))) == (4, 1)
    Workspace(tmp_path)
    assert names(tmp_path) == ["data", "erasures"]
    assert names(tmp_path / "data") == ["a"]
    assert names(tmp_path / "erasures") == []


def test_a_folder_moved_aside_by_a_killed_process_comes_back(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("old")
    run_and_kill(
        "rename = Path.rename\n"
        "Path.rename = lambda self, to: (rename(self, to), die() if str(to).endswith('.old') else None)\n"
        "with atomic_folder(Path(sys.argv[1])) as p:\n (p / 'b').write_text('new')",
        tmp_path / "data",
    )
    assert not (tmp_path / "data").exists()
    Workspace(tmp_path)
    assert names(tmp_path) == ["data"]
    assert names(tmp_path / "data") == ["a"]


def test_the_sweep_leaves_running_writers_alone(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "data") as part:
        (part / "a").write_text("a")
        Workspace(tmp_path)
        with atomic_file(tmp_path / "data2") as other:
            other.write_text("b")
    assert names(tmp_path) == ["data", "data2"]


def test_a_leftover_of_an_earlier_process_with_our_number_is_swept(tmp_path: Path) -> None:
    (tmp_path / f".data.{os.getpid()}-00000000-00000000.part").mkdir()
    Workspace(tmp_path)
    assert names(tmp_path) == []


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    target = tmp_path / "table.parquet"
    target.write_text("old")
    with (
        pytest.raises(WorkspaceError, match=r"table\.parquet was not written, and nothing was lost: the disk is full"),
        atomic_file(target),
        Path("/dev/full").open("w") as full,
    ):
        full.write("x")
    with pytest.raises(WorkspaceError, match="the disk is full"), atomic_file(target):
        pl.DataFrame({"a": range(100_000)}).write_parquet("/dev/full")
    assert names(tmp_path) == ["table.parquet"]
    assert target.read_text() == "old"


def test_a_limit_on_file_size_is_told_by_the_system(tmp_path: Path) -> None:
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom encoders.workspace import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "try:\n with atomic_folder(Path(sys.argv[1])) as p: (p / 'big').write_bytes(bytes(20_000))\n"
        "except WorkspaceError as error: sys.exit(str(error))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "data"], capture_output=True, text=True, check=False)
    assert "the file would be larger than allowed here" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize(("number", "words"), [(errno.EROFS, "read-only"), (errno.EACCES, "may not be written")])
def test_refusals_name_the_remedy(number: int, words: str) -> None:
    with pytest.raises(WorkspaceError, match=f"{words}.*AUDIENCE_WORKSPACE"), plain_faults(Path("here")):
        raise OSError(number, os.strerror(number))


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(FileNotFoundError), plain_faults(Path("here")):
        Path("/nowhere/at/all").read_text()


def test_a_second_process_learns_who_holds_the_lock(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom encoders.workspace import *\n"
        "try:\n with Workspace(sys.argv[1]).lock('train'): pass\n"
        "except WorkspaceError as error: sys.exit(str(error))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with Workspace(tmp_path).lock("train"):
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"is in use for 'train' by process {os.getpid()}; wait" in refused.stderr
    assert f"'kill {os.getpid()}'" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert subprocess.run(command, check=False).returncode == 0


def test_the_same_process_cannot_lock_twice(tmp_path: Path) -> None:
    with (
        Workspace(tmp_path).lock("train"),
        pytest.raises(WorkspaceError, match=f"this same process .{os.getpid()}"),
        Workspace(tmp_path).lock("train"),
    ):
        pass
    with Workspace(tmp_path).lock("train"), Workspace(tmp_path).lock("other"):
        pass


def test_the_lock_of_a_killed_process_blocks_nobody(tmp_path: Path) -> None:
    run_and_kill("with Workspace(sys.argv[1]).lock('train'):\n die()", tmp_path)
    with Workspace(tmp_path).lock("train"):
        pass


def test_the_key_of_the_masks_is_made_once_and_nobody_elses(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as many:
        keys = set(many.map(lambda _: Workspace(tmp_path / "a").mask_key(), range(16)))
    [key] = keys
    assert len(key) == 32
    assert Workspace(tmp_path / "a", tenant="shop").mask_key() == key
    assert Workspace(tmp_path / "b").mask_key() != key
    assert (tmp_path / "a" / "mask.key").stat().st_mode & 0o077 == 0
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["mask.key"]


@pytest.mark.parametrize("content", [b"", b"short", bytes(31), bytes(33), bytes(64)])
def test_a_key_of_the_masks_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mask.key").write_bytes(content)
    with pytest.raises(WorkspaceError, match=r"mask\.key is damaged.*put a backup of it in its place"):
        Workspace(tmp_path).mask_key()


def test_a_flipped_bit_in_the_key_of_the_masks_is_refused(tmp_path: Path) -> None:
    key = Workspace(tmp_path).mask_key()
    assert Workspace(tmp_path).mask_key() == key
    flip(tmp_path / "mask.key", 0.2)
    with pytest.raises(WorkspaceError, match="not the key that masks were made with"):
        Workspace(tmp_path).mask_key()


def test_a_key_of_0_1_has_no_digest_and_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mask.key").write_bytes(bytes(range(32)))
    assert Workspace(tmp_path).mask_key() == bytes(range(32))


def test_opening_takes_the_permissions_of_others_off_what_is_private(tmp_path: Path) -> None:
    private = (
        *("registry.db", "registry.db-wal", "tokens.db", "mask.key", "exports/a.csv", "uploads/b.csv"),
        *("data/contacts.parquet", "data/v1-ab/users.parquet", "chroma/chroma.sqlite3", "labels/spring/labels.parquet"),
        *("models/m1/config.json", "data/current", "data/v1-ab/dataset.json", "locks/train.lock", "grounded.toml"),
    )
    public = ("glossary.toml", "notes.txt")
    for name in (*private, *public):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o644)
    tmp_path.chmod(0o755)
    Workspace(tmp_path)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in private} == {0o600}
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in public} == {0o644}
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_folder_that_is_no_workspace_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    tmp_path.chmod(0o755)
    Workspace(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_what_is_written_as_a_folder_is_private(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with atomic_folder(tmp_path / "v1") as part:
            (part / "users.parquet").write_text("")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "v1" / "users.parquet").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("error returned from database: (code: 13) database or disk is full", "the disk is full"),
        ("No space left on device", "the disk is full"),
        ("attempt to write a readonly database", "read-only"),
    ],
)
def test_a_full_disk_is_known_by_what_libraries_say(words: str, expected: str) -> None:
    with pytest.raises(DiskError, match=expected), plain_faults(Path("here")):
        raise ValueError(words)
