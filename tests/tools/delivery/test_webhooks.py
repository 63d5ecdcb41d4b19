"""Webhooks: signed, tried again, given up, turned off, and never lost, against a real server on loopback."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from encoders.errors import NotThereError, RequestError
from encoders.settings import Settings
from tests.listening import Heard, Listener, listening, signed
from tools import workers
from tools.audiences.disclosure import Disclosure
from tools.delivery import posting
from tools.delivery.outbox import LEASE, WAITS, Outbox, announce, announce_saved
from tools.delivery.posting import checked_url, post
from tools.operation_types import EVENTS, NewSubscription
from tools.storage.registry import Registry, SavedVersion
from tools.storage.sqlite import Database
from tools.types import SavedAudience
from tools.workers import WebhookWorker, deliver_due

USERS = tuple(f"user-{number:03}" for number in range(60))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "registry.db") as opened:
        yield opened


@pytest.fixture
def outbox(registry: Registry) -> Outbox:
    return Outbox(registry.database, private=True)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


def save(registry: Registry, name: str = "Tea", **changes: Any) -> SavedAudience:
    facts: dict[str, Any] = {
        "spec": None,
        "definition": "tea buyers",
        "members": USERS,
        "holdout_share": 0.1,
        "as_of": date(2017, 10, 1),
        "model_version": "m1",
        "data_version": "d1",
        "approved_by": "Ada",
        "emit": announce_saved(Disclosure(0)),
    }
    return registry.save_version(name, **(facts | changes))


class Clock:
    """A clock that a test moves, a minute ahead so that whatever was just written is due."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC) + timedelta(minutes=1)

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def checked(heard: Heard, subscription: NewSubscription) -> Any:
    """The message, once the verifier of the library and our own have both found it to be signed."""
    assert signed(heard, subscription.secret)
    return Webhook(subscription.secret).verify(heard.body, heard.headers)


def test_what_was_saved_and_refreshed_is_told(
    registry: Registry, outbox: Outbox, listener: Listener, clock: Clock
) -> None:
    told = outbox.add(listener.url)
    first = save(registry)
    second = save(registry, members=(*USERS[20:], "new-1"), refreshes=True, as_of=date(2017, 11, 1))
    assert deliver_due(outbox, clock) == 2
    ready, refreshed = (checked(heard, told) for heard in listener.heard)
    assert ready["type"] == "audience.ready"
    assert ready["data"] == {
        "audience_id": first.id, "name": "Tea", "version": 1, "users": 60, "holdout": 6, "as_of": "2017-10-01",
        "model_version": "m1",
    }  # fmt: skip
    assert refreshed["type"] == "audience.refreshed"
    assert (refreshed["data"]["version"], refreshed["data"]["as_of"]) == (second.version, "2017-11-01")
    assert (refreshed["data"]["stayed"], refreshed["data"]["came"], refreshed["data"]["left"]) == (40, 1, 20)
    assert not any("user-" in heard.body or "new-1" in heard.body for heard in listener.heard)
    lines = outbox.deliveries()
    assert [(line.event, line.state, line.tries, line.answer, line.due) for line in lines] == [
        ("audience.refreshed", "delivered", 1, "answered 204", None),
        ("audience.ready", "delivered", 1, "answered 204", None),
    ]
    assert [line.id for line in lines][::-1] == [heard.headers["webhook-id"] for heard in listener.heard]
    assert deliver_due(outbox, clock) == 0


def test_a_wrong_secret_or_another_body_is_not_verified(registry: Registry, outbox: Outbox, listener: Listener) -> None:
    told = outbox.add(listener.url)
    save(registry)
    deliver_due(outbox)
    [heard] = listener.heard
    other = NewSubscription(**{**told.model_dump(), "secret": "whsec_" + "A" * 44})
    assert not signed(heard, other.secret)
    for secret, body in ((other.secret, heard.body), (told.secret, heard.body.replace("Tea", "Ten"))):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, heard.headers)


def test_only_the_events_asked_for_are_told_and_a_key_tells_once(
    registry: Registry, outbox: Outbox, listener: Listener
) -> None:
    outbox.add(listener.url, ["audience.refreshed"])
    save(registry, key="k")
    assert outbox.deliveries() == ()
    outbox.add(f"{listener.url}/2", ["audience.ready", "audience.ready"])
    assert save(registry, key="k").version == 1
    assert outbox.deliveries() == ()
    with registry.database.transaction():
        for _ in range(2):
            announce(registry.database, "audience.ready", "aud-1", 1, {}, once="the same")
    assert len(outbox.deliveries()) == 1


def test_what_fails_is_tried_again_with_the_same_id_and_growing_waits_until_it_is_given_up(
    registry: Registry, outbox: Outbox, listener: Listener, clock: Clock
) -> None:
    told = outbox.add(listener.url)
    save(registry)
    listener.answers = [500, 302, 404, 503, *[500] * 6]
    listener.headers = {"location": "/elsewhere"}
    for wait in WAITS:
        assert deliver_due(outbox, clock) == 1
        assert outbox.deliveries()[0].due == clock() + timedelta(seconds=wait)
        clock.pass_by(wait - 1)
        assert deliver_due(outbox, clock) == 0
        clock.pass_by(1)
    assert deliver_due(outbox, clock) == 1
    [line] = outbox.deliveries()
    assert (line.state, line.tries, line.answer, line.due) == ("given up", len(WAITS) + 1, "answered 500", None)
    clock.pass_by(10 * WAITS[-1])
    assert deliver_due(outbox, clock) == 0
    assert len({heard.headers["webhook-id"] for heard in listener.heard}) == 1
    assert len(listener.heard) == len(WAITS) + 1
    assert all(signed(heard, told.secret) for heard in listener.heard)
    assert {heard.path for heard in listener.heard} == {"/hook"}


def test_a_receiver_may_ask_for_a_longer_wait(
    registry: Registry, outbox: Outbox, listener: Listener, clock: Clock
) -> None:
    outbox.add(listener.url)
    save(registry)
    listener.answers, listener.headers = [429], {"retry-after": "77"}
    deliver_due(outbox, clock)
    assert outbox.deliveries()[0].due == clock() + timedelta(seconds=77)


def test_an_address_that_fails_holds_up_nobody_else(
    registry: Registry, outbox: Outbox, listener: Listener, clock: Clock
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        broken = f"http://127.0.0.1:{taken.getsockname()[1]}/"
    outbox.add(broken)
    for name in ("Tea", "Coffee", "Milk"):
        save(registry, name)
    outbox.add(listener.url)
    save(registry, "Bread")
    assert deliver_due(outbox, clock) == 2
    waiting = [line for line in outbox.deliveries() if line.state == "waiting"]
    assert {line.due for line in waiting} == {clock() + timedelta(seconds=WAITS[0])}
    assert sorted(line.tries for line in waiting) == [0, 0, 0, 1]
    assert max(waiting, key=lambda line: line.tries).answer == "no connection (ConnectError)"


def test_410_turns_a_webhook_off(registry: Registry, outbox: Outbox, listener: Listener, clock: Clock) -> None:
    made = outbox.add(listener.url)
    save(registry)
    save(registry, "Coffee")
    listener.answers = [410]
    assert deliver_due(outbox, clock) == 1
    assert outbox.subscriptions()[0].disabled == "answered 410"
    assert {(line.state, line.answer) for line in outbox.deliveries()} == {
        ("given up", "answered 410, so the webhook is off")
    }
    save(registry, "Milk")
    assert len(outbox.deliveries()) == 2
    outbox.remove(made.id)
    outbox.add(listener.url)
    save(registry, "Bread")
    assert deliver_due(outbox, clock) == 1


def test_what_waits_for_a_removed_webhook_is_given_up(registry: Registry, outbox: Outbox, listener: Listener) -> None:
    outbox.add(listener.url)
    save(registry)
    assert outbox.remove(listener.url).url == listener.url
    assert deliver_due(outbox) == 0
    assert [(line.state, line.answer) for line in outbox.deliveries()] == [("given up", "the webhook was removed")]
    with pytest.raises(RequestError, match="There is no webhook 'wh-1'; 'audience webhook list' shows"):
        outbox.remove("wh-1")


def test_what_cannot_be_added(outbox: Outbox) -> None:
    outbox.add("https://example.com/a")
    with pytest.raises(RequestError, match="is told already"):
        outbox.add(" https://example.com/a ")
    with pytest.raises(RequestError, match=r"There is no event 'audience.lost'; choose among audience.ready, "):
        outbox.add("https://example.com/b", ["audience.lost"])
    with pytest.raises(RequestError, match="Name at least one event"):
        outbox.add("https://example.com/b", [])
    with pytest.raises(RequestError, match="may not hold a name or password"):
        outbox.add("https://me:secret@example.com/b")
    for url in (
        "",
        "example.com",
        "ftp://example.com",
        "https://",
        "http://[::1",
        "https://a b\n",
        "x" * 9,
        "file:///etc",
    ):
        with pytest.raises(RequestError, match="is no address to send to"):
            outbox.add(url)
    [kept] = outbox.subscriptions()
    assert kept.events == EVENTS
    assert "secret" not in kept.model_dump()


PRIVATE = (
    "127.0.0.1", "10.1.2.3", "192.168.0.9", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "[::1]",
    "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[64:ff9b::a00:1]", "[2002:7f00:1::]", "[::127.0.0.1]", "[::]",
    "[64:ff9b:1::7f00:1]", "[fec0::1]", "[5f00::1]", "[3fff::1]", "[2001:db8::1]", "[ff0e::1]", "192.0.0.8",
    "192.0.2.1", "240.0.0.1", "2130706433", "127.1", "0", "0x7f.1", "[fe80::1%25eth0]",
)  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_inner_addresses_are_refused_where_others_can_reach_the_server(host: str) -> None:
    with pytest.raises(
        RequestError, match="is not on the public internet; use a public address, or listen on loopback"
    ):
        checked_url(f"http://{host}/", private=False)
    assert checked_url(f"http://{host}/", private=True)
    for public in (
        "93.184.216.34", "93.12114466", "[2606:4700::1111]", "[::ffff:93.184.216.34]", "[64:ff9b::5db8:d822]",
        "[2002:5db8:d822::1]", "hooks.example",
    ):  # fmt: skip
        assert checked_url(f"https://{public}:8443/x", private=False)


@pytest.mark.parametrize("address", ["::127.0.0.1", "64:ff9b:1::7f00:1", "fec0::1", "192.0.0.8"])
def test_what_a_name_leads_to_has_to_be_globally_reachable(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (address, 0))])
    answer = posting.post("https://hooks.example/", "whsec_" + "A" * 44, "msg_1", "{}", private=False)
    assert answer.status == 0
    assert answer.words.startswith("hooks.example is not on the public internet")


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("port", ["0", "65536", "99999", "-1"])
def test_a_port_that_there_is_not_is_refused(port: str, private: bool) -> None:
    with pytest.raises(RequestError, match=r"(no port .*; ports are 1 to 65,535|no address to send to)"):
        checked_url(f"https://hooks.example:{port}/", private)


@pytest.mark.parametrize("name", ["localhost", "inner.example"])
def test_a_name_is_looked_up_and_checked_when_something_is_sent(
    registry: Registry, listener: Listener, clock: Clock, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public when it is added, or that nobody looks up then, does not open a door inside."""
    looked_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: looked_up(host.replace("inner.example", "::1"), *rest, **more),
    )
    outbox = Outbox(registry.database, private=False)
    outbox.add(listener.url.replace("127.0.0.1", name))
    save(registry)
    deliver_due(outbox, clock)
    assert listener.heard == []
    assert "is not on the public internet" in outbox.deliveries()[0].answer


def test_a_name_is_connected_to_where_it_was_checked(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    url = listener.url.replace("127.0.0.1", "hooks.example")
    here = socket.getaddrinfo("127.0.0.1", httpx2.URL(url).port, type=socket.SOCK_STREAM)
    monkeypatch.setattr(posting, "addresses", lambda url, private: ["127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: here if host == "127.0.0.1" else [])
    answer = posting.post(url, "whsec_" + "A" * 44, "msg_1", "{}", private=False)
    assert answer.taken, answer
    assert listener.heard[0].headers["host"].startswith("hooks.example:")


def test_a_name_that_is_nowhere_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    answer = posting.post("https://nowhere.example/", "whsec_" + "A" * 44, "msg_1", "{}", private=False)
    assert (answer.status, answer.words) == (0, "There is no address for the name nowhere.example.")


def test_a_receiver_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "SECONDS", 0.05)
    posting.connections.cache_clear()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        answer = posting.post(f"http://127.0.0.1:{port}/", "whsec_" + "A" * 44, "msg_1", "{}", private=True)
    posting.connections.cache_clear()
    assert answer.status == 0
    assert answer.words.startswith("no answer within")


@given(st.sampled_from(["", "http://", "https://["]), st.text(max_size=40))
def test_any_text_is_a_url_or_is_refused_in_a_sentence(scheme: str, text: str) -> None:
    with suppress(RequestError):
        assert checked_url(scheme + text, private=False).startswith("http")


KILLED = """
import os, signal, sys
from datetime import date
from pathlib import Path
from tools.audiences.disclosure import Disclosure
from tools.delivery.outbox import announce_saved
from tools.storage.registry import Registry
from tools import workers as courier
from tools.delivery.outbox import Outbox
registry = Registry(Path(sys.argv[1]))
registry.save_version('Tea', spec=None, definition='tea', members=['u1'], holdout_share=0.0, as_of=date(2017, 10, 1),
    model_version='m', data_version='d', approved_by='Bob', emit=announce_saved(Disclosure(0)))
courier.post = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == 'sending':
    courier.deliver_due(Outbox(registry.database, True))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["saved", "sending"])
def test_a_process_killed_between_saving_and_sending_loses_nothing(
    tmp_path: Path, listener: Listener, clock: Clock, moment: str
) -> None:
    path = tmp_path / "registry.db"
    with Registry(path) as registry:
        told = Outbox(registry.database, private=True).add(listener.url)
    done = subprocess.run([sys.executable, "-c", KILLED, path, moment], check=False)
    assert done.returncode == -signal.SIGKILL
    with Registry(path) as registry:
        outbox = Outbox(registry.database, private=True)
        clock.pass_by(LEASE if moment == "sending" else 0)
        assert deliver_due(outbox, clock) == 1
        assert checked(listener.heard[0], told)["data"]["name"] == "Tea"
        assert outbox.deliveries()[0].tries == (2 if moment == "sending" else 1)


def test_what_could_not_be_saved_is_not_told(registry: Registry, outbox: Outbox) -> None:
    outbox.add("https://example.com/")

    tell = announce_saved(Disclosure(0))

    def fail(database: Database, version: SavedVersion) -> None:
        tell(database, version)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        save(registry, emit=fail)
    assert registry.list() == ()
    assert outbox.deliveries() == ()


def test_a_message_that_somebody_took_is_left_to_them(registry: Registry, outbox: Outbox, clock: Clock) -> None:
    outbox.add("https://example.com/")
    save(registry)
    assert outbox.take(clock()) is not None
    assert outbox.take(clock()) is None
    clock.pass_by(LEASE)
    again = outbox.take(clock())
    assert again is not None
    assert again.tries == 2


def test_the_courier_serves_the_owner_and_every_tenant(
    tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done, real = Event(), posting.post

    def post(*arguments: Any) -> posting.PostResult:
        answer = real(*arguments)
        if len(listener.heard) == 2:
            done.set()
        return answer

    monkeypatch.setattr(workers, "post", post)
    monkeypatch.setattr(workers, "PAUSE", 0.01)
    (tmp_path / "tenants" / "broken").mkdir(parents=True)
    (tmp_path / "tenants" / "broken" / "registry.db").write_bytes(b"not a database" * 1000)
    for folder in (tmp_path, tmp_path / "tenants" / "acme"):
        with Registry(folder / "registry.db") as registry:
            Outbox(registry.database, private=True).add(listener.url)
            save(registry, folder.name)
    with WebhookWorker(Settings(workspace=tmp_path, _env_file=None), lambda: None):
        assert done.wait(30)
    assert {heard.data["name"] for heard in listener.heard} == {tmp_path.name, "acme"}
    assert "broken/registry.db is damaged" in caplog.text
    with Registry(tmp_path / "registry.db") as registry:
        assert {each.state for each in Outbox(registry.database, private=True).deliveries()} == {"delivered"}


@pytest.mark.parametrize("secret", ["", "whsec_", "short", "whsec_c2hvcnQ=", "whsec_not base64"])
def test_nothing_is_signed_with_a_secret_that_is_none(secret: str) -> None:
    with listening() as listener:
        answer = post(listener.url, secret, "msg-1", "{}", private=True)
    assert (answer.taken, listener.heard) == (False, [])
    assert "secret is empty or short; remove the webhook and add it again" in answer.words


def test_a_test_message_is_signed_and_says_nothing(registry: Registry, outbox: Outbox, listener: Listener) -> None:
    made = outbox.add(listener.url, ["audience.ready"])
    for named in (made.id, listener.url):
        assert outbox.test(named).taken
    assert all(signed(heard, made.secret) for heard in listener.heard)
    assert [json.loads(heard.body)["type"] for heard in listener.heard] == 2 * ["webhook.test"]
    assert [heard.data for heard in listener.heard] == [{}, {}]
    listener.answers = [503]
    refused = outbox.test(made.id)
    assert (refused.taken, refused.words) == (False, "answered 503")
    assert outbox.deliveries() == ()
    with pytest.raises(NotThereError, match="no webhook 'wh-nobody'"):
        outbox.test("wh-nobody")
