import json
import logging
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from encoders import model_folder
from encoders.checksums import CHECKSUMS, write_checksums
from encoders.errors import ModelError
from encoders.model_folder import FORMAT, damaged_model, read_config, read_model, usable_model
from encoders.workspace import Workspace
from tests.faulty import as_of_an_earlier_version, flip
from tests.planted import AS_OF


def change_config(workspace: Workspace, **changes: object) -> None:
    path = workspace.newest_model() / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    write_checksums(path.parent)


def test_a_model_of_another_version_says_so(own_workspace: Workspace) -> None:
    change_config(own_workspace, format=FORMAT + 1)
    with pytest.raises(ModelError, match=f"has format {FORMAT + 1}, this program reads format {FORMAT}; run"):
        read_model(own_workspace.newest_model())


@pytest.mark.parametrize("text", ["", "{", "[]", "null", f'{{"format": {FORMAT}}}', '{"format": "1"}', "\x00"])
def test_a_damaged_config_is_one_sentence(own_workspace: Workspace, text: str) -> None:
    (own_workspace.newest_model() / "config.json").write_text(text)
    with pytest.raises(ModelError, match="run 'audience train'"):
        read_config(own_workspace.newest_model())


@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "other weights"])
def test_damaged_weights_of_a_model_without_checksums_are_one_sentence(own_workspace: Workspace, damage: str) -> None:
    folder = own_workspace.newest_model()
    as_of_an_earlier_version(folder)
    weights = folder / "model.safetensors"
    if damage == "missing":
        weights.unlink()
    elif damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "empty":
        weights.write_bytes(b"")
    else:
        weights.write_bytes(next((own_workspace.path / "cache").glob("*.safetensors")).read_bytes())
    with pytest.raises(ModelError, match=r"do not fit this program .*; run 'audience train'"):
        read_model(folder)


@pytest.mark.parametrize(
    ("changes", "as_of", "fits"),
    [
        ({}, AS_OF, True),
        ({}, AS_OF + timedelta(days=5), True),
        ({}, AS_OF - timedelta(days=1), False),
        ({"text_encoder": "minilm"}, AS_OF, False),
        ({"data_version": "other"}, AS_OF, True),
        ({"data_name": "other"}, AS_OF, False),
        ({"format": 0}, AS_OF, False),
    ],
)
def test_only_a_fitting_model_is_used(
    own_workspace: Workspace, changes: dict[str, object], as_of: date, fits: bool
) -> None:
    model = own_workspace.newest_model()
    name = read_config(model).data_name
    change_config(own_workspace, **changes)
    assert usable_model(own_workspace, "use", name, as_of) == (model if fits else None)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "report.json", CHECKSUMS])
def test_a_flipped_byte_is_noticed_and_the_next_older_model_is_taken(
    own_workspace: Workspace, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    older = own_workspace.newest_model()
    newer = older.with_name("newer")
    shutil.copytree(older, newer)
    config = json.loads((newer / "config.json").read_text())
    (newer / "config.json").write_text(json.dumps(config | {"as_of": "2024-06-22"}))
    write_checksums(newer)
    later = AS_OF + timedelta(days=9)
    assert usable_model(own_workspace, "use", config["data_name"], later) == newer
    flip(newer / name)
    with pytest.raises(ModelError, match="run 'audience train'"):
        read_model(newer)
    with caplog.at_level(logging.WARNING):
        assert usable_model(own_workspace, "use", config["data_name"], later) == older
    [aside] = (own_workspace.path / "damaged").glob("newer-*[!t]")
    assert caplog.messages == [aside.with_name(f"{aside.name}.txt").read_text().rstrip()]
    assert f"{newer} was damaged and is now {aside}" in caplog.text
    assert "an older model is taken" in caplog.text


def test_a_model_that_has_lost_its_checksums_is_damaged(own_workspace: Workspace) -> None:
    folder = own_workspace.newest_model()
    (folder / CHECKSUMS).unlink()
    with pytest.raises(ModelError, match=rf"{CHECKSUMS} is damaged: .*; run 'audience train'"):
        read_model(folder)
    name = read_config(folder).data_name
    assert usable_model(own_workspace, "use", name, AS_OF) is None
    assert not folder.exists()


def test_a_model_without_checksums_opens_and_gets_them(own_workspace: Workspace) -> None:
    folder = own_workspace.newest_model()
    as_of_an_earlier_version(folder)
    read_model(folder)
    flip(folder / "report.json")
    with pytest.raises(ModelError, match=r"report\.json is damaged"):
        read_model(folder)


@pytest.mark.parametrize("had_checksums", [False, True])
def test_a_model_of_an_earlier_version_that_loses_its_checksums_later_is_damaged(
    own_workspace: Workspace, had_checksums: bool
) -> None:
    folder = own_workspace.newest_model()
    as_of_an_earlier_version(folder)
    if had_checksums:  # which a version wrote that did not note it yet
        write_checksums(folder)
    before = read_config(folder)
    read_model(folder)
    assert read_config(folder) == before.model_copy(update={"checked": True})
    (folder / CHECKSUMS).unlink()
    flip(folder / "model.safetensors")
    with pytest.raises(ModelError, match=rf"{CHECKSUMS} is damaged: it is not what was written"):
        read_model(folder)


@pytest.mark.parametrize("stopped_at", ["atomic_file", "adopt"])
def test_noting_checksums_that_was_stopped_is_done_when_the_model_is_opened_again(
    own_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, stopped_at: str
) -> None:
    folder = own_workspace.newest_model()
    as_of_an_earlier_version(folder)

    def stop(path: Path) -> None:
        raise KeyboardInterrupt(path)

    monkeypatch.setattr(model_folder, stopped_at, stop)
    with pytest.raises(KeyboardInterrupt):
        read_model(folder)
    monkeypatch.undo()
    read_model(folder)
    assert (read_config(folder).checked, damaged_model(folder)) == (True, [])
    (folder / CHECKSUMS).unlink()
    assert damaged_model(folder) == [CHECKSUMS]
