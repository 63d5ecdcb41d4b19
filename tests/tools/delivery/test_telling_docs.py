"""The examples of docs/webhooks.md and docs/destinations.md do what the pages say."""

import re
import sys
import tomllib
from datetime import date
from http.server import HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from agent.cli import destination, saved, webhook
from encoders.workspace import Workspace
from tests.tools.reach_doubles import prepared
from tools.audiences.disclosure import Disclosure
from tools.delivery.destinations import Destinations
from tools.delivery.outbox import WAITS, Outbox, announce_saved
from tools.delivery.sending import Exports
from tools.operation_types import EVENTS
from tools.storage.holdouts import NO_CONTROL
from tools.storage.registry import Registry
from tools.workers import deliver_due

DOCS = Path(__file__).parents[3] / "docs"


def example(page: str, language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.S)
    return str(found)


def save(registry: Registry) -> None:
    registry.save_version(
        "Autumn launch", spec=None, definition="tea", members=[f"u{number}" for number in range(20)],
        holdout_share=0.1, as_of=date(2017, 10, 1), model_version="m", data_version="d", approved_by="Ada",
        emit=announce_saved(Disclosure(0)),
    )  # fmt: skip


def test_the_receiver_takes_what_is_signed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    servers: list[HTTPServer] = []
    monkeypatch.setattr(HTTPServer, "serve_forever", lambda server: servers.append(server))
    space: dict[str, Any] = {"__name__": "page"}
    exec(compile(example("webhooks.md", "python").replace("8765", "0"), "page", "exec"), space)
    monkeypatch.undo()
    space["Receiver"].log_message = lambda *_: None
    thread = Thread(target=servers[0].serve_forever, args=(0.02,))
    thread.start()
    try:
        with Registry(tmp_path / "registry.db") as registry:
            outbox = Outbox(registry.database, private=True)
            url = f"http://127.0.0.1:{servers[0].server_address[1]}"
            space["SECRET"] = outbox.add(f"{url}/hook").secret
            outbox.add(f"{url}/other-secret")
            save(registry)
            deliver_due(outbox)
            answers = {line.url.rpartition("/")[2]: line.answer for line in outbox.deliveries()}
    finally:
        servers[0].shutdown()
        thread.join()
        servers[0].server_close()
    assert answers == {"hook": "answered 204", "other-secret": "answered 400"}
    assert capsys.readouterr().out == "audience.ready Autumn launch 20\n"


def test_the_plugin_keeps_every_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "site" / "acme_shelf-1.0.dist-info"
    info.mkdir(parents=True)
    (tmp_path / "site" / "acme_shelf.py").write_text(example("destinations.md", "python"))
    [(group, plugins)] = tomllib.loads(example("destinations.md", "toml"))["project"]["entry-points"].items()
    lines = [f"[{group}]", *(f"{name} = {target}" for name, target in plugins.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-shelf\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "acme_shelf", raising=False)
    with Registry(tmp_path / "registry.db") as registry:
        save(registry)
        prepared(tmp_path / "data", [f"u{number}" for number in range(20)])
        destinations = Destinations(registry.database, private=True)
        exports = Exports(Workspace(tmp_path), registry, destinations, Disclosure(1), NO_CONTROL)
        done = exports.export("Autumn launch", "csv", "", "shelf")
    assert (done.platform, done.rows) == ("The shelf", 18)
    assert [path.name for path in (tmp_path / "shelf").rglob("*.json")] == ["0001.json"]


def test_the_pages_name_what_there_is() -> None:
    told, sent = ((DOCS / page).read_text("utf-8") for page in ("webhooks.md", "destinations.md"))
    assert re.findall(r"^\| `((?:audience|nightly)\.\w+)`", told, re.M) == list(EVENTS)
    assert len(WAITS) == 9
    for module, page in ((webhook, told), (destination, sent)):
        for command in module.app.registered_commands:
            assert command.callback is not None
            name = command.name or command.callback.__name__
            if name != "remove" or module is webhook:
                assert f"audience {module.__name__.rpartition('.')[2]} {name}" in page
    assert all(f"audience {each.__name__}" in told + sent for each in (saved.export, saved.drift))
