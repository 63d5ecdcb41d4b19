"""Digests of the files of a folder: what is damaged, and what is only being replaced."""

from pathlib import Path

import pytest

from encoders.checksums import CHECKSUMS, adopt, clear_checksums, damaged_files, has_checksums, write_checksums


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "users.parquet").write_bytes(b"users")
    write_checksums(tmp_path)
    return tmp_path


@pytest.mark.parametrize("content", ["{}", "{ }", "[]", "null", '"yes"', "", "{"])
@pytest.mark.parametrize("names", [(), ("users.parquet",)])
def test_checksums_that_hold_nothing_are_damaged(folder: Path, content: str, names: tuple[str, ...]) -> None:
    assert damaged_files(folder, *names) == []
    (folder / CHECKSUMS).write_text(content)
    for _ in range(2):
        assert damaged_files(folder, *names) == [CHECKSUMS]
        adopt(folder)  # makes none in place of damaged ones


def test_a_folder_whose_files_are_being_replaced_is_read_unchecked_and_adopted(folder: Path) -> None:
    clear_checksums(folder)
    (folder / "users.parquet").write_bytes(b"fewer")
    assert damaged_files(folder, always=True) == damaged_files(folder, "users.parquet", always=True) == []
    assert not has_checksums(folder)
    adopt(folder)
    assert has_checksums(folder)
    assert damaged_files(folder) == []
    (folder / "users.parquet").write_bytes(b"other")
    assert damaged_files(folder) == ["users.parquet"]
