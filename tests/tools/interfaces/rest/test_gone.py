"""What is to be gone, over HTTP: deleted with the ETag of what was seen, erased as the owner alone may."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import polars as pl
import pytest

from agent.conversation import Conversation
from encoders.checksums import write_checksums
from encoders.data.erasing import Forgotten
from encoders.workspace import Workspace
from tests.planted import World, copied
from tests.tools.interfaces.rest.rest_doubles import SAVE, key, problem, served
from tools.access.callers import Caller, Scope, Tokens
from tools.erasure.erasure import threads
from tools.service import AudienceService


@pytest.fixture
def shop(service: AudienceService, world: World, tmp_path: Path) -> Iterator[AudienceService]:
    """The service over a copy of its data, which erasing changes."""
    workspace = copied(world, tmp_path / "shop")
    settings = service.settings.model_copy(update={"workspace": workspace.path})
    opened = AudienceService(settings, workspace, service.forecaster)
    yield opened
    opened.close()


@pytest.fixture
def address(shop: AudienceService) -> Iterator[str]:
    with Tokens(Workspace(shop.settings.workspace).tokens) as tokens, served(shop, tokens) as found:
        yield found


def arrive(address: str, shop: AudienceService, name: str, *scopes: Scope, tenant: str = "") -> httpx2.Client:
    with Tokens(Workspace(shop.settings.workspace).tokens) as tokens:
        token = tokens.create(name, scopes, tenant)
    return httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60.0)


def test_an_audience_is_deleted_by_whoever_has_seen_it(address: str, shop: AudienceService) -> None:
    with arrive(address, shop, "mine", Scope.ACTIVATE, Scope.READ, tenant="shop") as mine:
        saved = mine.post("audiences", json=SAVE, headers=key("a"))
        file = mine.post("audiences/Coffee/exports", json={}, headers=key("b")).json()
        other = mine.post("audiences/Coffee/exports", json={"format": "parquet"}, headers=key("c")).json()
        whole, head = mine.get(f"exports/{file['name']}"), mine.head(f"exports/{file['name']}")
        assert (head.status_code, head.content) == (whole.status_code, b"") == (200, b"")
        assert_same_headers(head, whole)
        assert mine.delete(f"exports/{file['name']}").status_code == 204
        assert problem(mine.get(f"exports/{file['name']}"), 404)
        assert problem(mine.post("audiences/Coffee/exports", json={}, headers=key("b")), 404)
        assert problem(mine.delete(f"exports/{file['name']}"), 404)
        assert "give its ETag in If-Match" in problem(mine.delete("audiences/Coffee"), 428)
        assert "changed since" in problem(mine.delete("audiences/Coffee", headers={"If-Match": '"x"'}), 412)
        with arrive(address, shop, "rival", Scope.ACTIVATE, Scope.READ, tenant="rival") as rival:
            assert problem(rival.delete("audiences/Coffee", headers={"If-Match": "*"}), 404)
        gone = mine.delete("audiences/Coffee", headers={"If-Match": saved.headers["ETag"]})
        assert (gone.status_code, gone.json()) == (200, saved.json())
        assert problem(mine.get("audiences/Coffee"), 404)
        assert problem(mine.get(f"exports/{other['name']}"), 404)
        assert mine.post("audiences", json=SAVE, headers=key("d")).json()["version"] == 1
    mine_too = shop.of(Caller(name="x", tenant="shop", scopes=frozenset(Scope)))
    [line] = [line for line in mine_too.tenant.registry.audit() if line.action == "delete"]
    assert line.details == {"name": "Coffee"}


def assert_same_headers(head: httpx2.Response, whole: httpx2.Response) -> None:
    kept = [{name: text for name, text in each.headers.items() if name != "date"} for each in (head, whole)]
    assert kept[0] == kept[1]
    assert int(head.headers["Content-Length"]) == len(whole.content)


def test_a_file_does_not_come_down_once_somebody_in_it_withdrew(address: str, shop: AudienceService) -> None:
    with arrive(address, shop, "mine", Scope.ACTIVATE, Scope.READ) as mine:
        mine.post("audiences", json=SAVE, headers=key("a"))
        file = mine.post("audiences/Coffee/exports", json={}, headers=key("b")).json()
        again = mine.post("audiences/Coffee/exports", json={}, headers=key("b"))
        assert (again.status_code, again.json()) == (201, file)
        rows = mine.get(f"exports/{file['name']}").text.splitlines()
        data, gone = Workspace(shop.settings.workspace).data, rows[1].partition(",")[0]
        for path in data.glob("*.parquet"):
            table = pl.read_parquet(path)
            if "user_id" in table.columns:
                table.filter(pl.col("user_id") != gone).write_parquet(path)
        write_checksums(data)
        assert mine.head(f"exports/{file['name']}").status_code == 404
        for answer in (
            mine.get(f"exports/{file['name']}"), mine.post("audiences/Coffee/exports", json={}, headers=key("b")),
        ):  # fmt: skip
            assert "may no longer be reached" in (said := problem(answer, 404))
            assert "export the audience again" in said
        fresh = mine.post("audiences/Coffee/exports", json={}, headers=key("c")).json()
        assert fresh["rows"] == file["rows"] - 1
        assert gone not in [row.partition(",")[0] for row in mine.get(f"exports/{fresh['name']}").text.splitlines()]


def test_an_export_is_not_answered_again_as_it_was_once_somebody_was_erased(
    address: str, shop: AudienceService
) -> None:
    with arrive(address, shop, "owner", Scope.ADMIN) as owner:
        owner.post("audiences", json=SAVE, headers=key("a"))
        file = owner.post("audiences/Coffee/exports", json={}, headers=key("b")).json()
        gone = owner.get(f"exports/{file['name']}").text.splitlines()[1].partition(",")[0]
        assert owner.post("erasures", json={"users": [gone], "approved_by": "Ada"}).status_code == 201
        assert len(owner.get(f"exports/{file['name']}").text.splitlines()) == file["rows"]
        said = problem(owner.post("audiences/Coffee/exports", json={}, headers=key("b")), 404)
        assert "somebody was erased from it" in said
        assert owner.post("audiences/Coffee/exports", json={}, headers=key("c")).json()["rows"] == file["rows"] - 1


def test_users_are_erased_by_the_owner_alone(address: str, shop: AudienceService) -> None:
    body = {"users": ["h101"], "approved_by": "Ada"}
    for scope, tenant, words in ((Scope.ACTIVATE, "", "scope 'admin'"), (Scope.ADMIN, "shop", "without a tenant")):
        with arrive(address, shop, f"{scope}-only", scope, tenant=tenant) as caller:
            assert words in problem(caller.post("erasures", json=body), 403)
    assert not Forgotten(Workspace(shop.settings.workspace)).has_user("h101")
    with arrive(address, shop, "owner", Scope.ADMIN) as owner:
        owner.post("audiences", json=SAVE | {"spec": SAVE["spec"] | {"cut": 0.95}, "holdout": 0}, headers=key("a"))
        assert "h101" in shop.tenant.registry.members("Coffee")[0]
        mask = body | {"users": ["h101", "household W3QK-7T1Z-0M9X-C5RD"]}
        assert "give the ids of the data" in problem(owner.post("erasures", json=mask), 422)
        assert "h101" in shop.tenant.registry.members("Coffee")[0]
        done = owner.post("erasures", json=body | {"users": ["h101", "h1O1"]})
        assert done.status_code == 201
        assert done.json()["unknown"] == ["h1O1"]
        assert "h101" not in done.text
        assert {"data", "registry.db"} <= {each["path"] for each in done.json()["places"]}
        file = owner.post("audiences/Coffee/exports", json={}, headers=key("b")).json()
        assert "h101" not in owner.get(f"exports/{file['name']}").text
    assert "h101" not in shop.tenant.registry.members("Coffee")[0]
    users = Workspace(shop.settings.workspace).data / "users.parquet"
    assert "h101" not in set(pl.read_parquet(users)["user_id"])
    assert "forget" in [line.action for line in shop.tenant.registry.audit()]


def test_a_conversation_is_deleted_by_the_owner_alone(address: str, shop: AudienceService) -> None:
    with closing(Conversation(shop, shop.settings)) as talk:
        talk.say("abc123", "people who will buy coffee next month")
        for scope, tenant, words in ((Scope.ACTIVATE, "", "scope 'admin'"), (Scope.ADMIN, "shop", "without a tenant")):
            with arrive(address, shop, f"{scope}-chat", scope, tenant=tenant) as caller:
                assert words in problem(caller.delete("conversations/abc123"), 403)
        assert "abc123" in threads(Workspace(shop.settings.workspace))
        with arrive(address, shop, "owner", Scope.ADMIN) as owner:
            assert owner.delete("conversations/abc123").status_code == 204
            assert problem(owner.delete("conversations/abc123"), 404)
        assert threads(Workspace(shop.settings.workspace)) == {}
        assert talk.current("abc123").draft is None
    assert "delete conversation" in [line.action for line in shop.tenant.registry.audit()]
