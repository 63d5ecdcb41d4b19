"""Idempotency keys, entity tags, and links from page to page."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.planted import AS_OF
from tests.tools.interfaces.rest.rest_doubles import SAVE, SEEDS, Nowhere, ended, key, problem
from tools.access.gate import Gate
from tools.interfaces.rest.api import make_api
from tools.service import AudienceService
from tools.storage.registry import Registry
from tools.types import SavedAudience

OTHER = {"If-Match": '"x"'}


def test_a_write_that_is_repeated_is_done_once_and_answered_the_same(web: TestClient, own: AudienceService) -> None:
    web.post("/audiences", json=SAVE | {"name": "Tea"}, headers=key("other"))
    writes = {
        "/audiences": SAVE,
        "/combinations": {"operation": "or", "audiences": ["Coffee", "Tea"], "name": "Any", "approved_by": "Ada"},
        "/audiences/Coffee/exports": {"format": "csv"},
        "/audiences/Coffee/outcome": {"approved_by": "Ada"},
    }
    for number, (path, body) in enumerate(writes.items()):
        first, second = (web.post(path, json=body, headers=key(f"key {number}")) for _ in range(2))
        assert first.status_code == second.status_code == 201, first.text
        assert first.content == second.content
        assert first.headers == second.headers
        changed = web.post(
            path,
            json=body | {"approved_by": "Bo"} if "approved_by" in body else {"format": "parquet"},
            headers=key(f"key {number}"),
        )
        assert f"The key 'key {number}' was already used for something else" in problem(changed, 422)
    with Registry(own.settings.workspace / "registry.db") as registry:
        assert [line.action for line in registry.audit()] == ["save", "save", "save", "export", "outcome"]
    kept_back = problem(web.post("/audiences", json=SAVE | {"holdout": 0.5}, headers=key("key 0")), 422)
    assert "already used" in kept_back


def test_what_you_have_is_not_sent_again(web: TestClient) -> None:
    place = web.post("/audiences", json=SAVE, headers=key("a")).headers["Location"]
    web.post("/audiences/Coffee/outcome", json={"approved_by": "Ada"}, headers=key("b"))
    for path in ("/data", "/capabilities", "/audiences", "/audiences/Coffee", place, "/audiences/Coffee/outcome"):
        first = web.get(path)
        tag = first.headers["ETag"]
        for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            again = web.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
            assert again.headers["Vary"] == "Authorization"
        other = web.get(path, headers={"If-None-Match": '"x"'})
        assert (other.status_code, other.content) == (200, first.content)
    listed = web.get("/audiences").headers["ETag"]
    web.post("/audiences", json=SAVE | {"name": "Tea"}, headers=key("c"))
    assert web.get("/audiences", headers={"If-None-Match": listed}).status_code == 200


def test_nobody_replaces_a_tuned_demand_she_has_not_seen(web: TestClient, own: AudienceService) -> None:
    new = {"seeds": SEEDS}
    assert "nothing to replace" in problem(web.put("/demands/regulars", json=new, headers=key("a") | OTHER), 412)
    first = ended(web, web.put("/demands/regulars", json=new, headers=key("b")))
    assert first["result"] == own.tuned("regulars").model_dump(mode="json") | {"warnings": first["result"]["warnings"]}
    shown = web.get("/demands/regulars")
    asked = {"seeds": SEEDS[:6]}
    assert "give its ETag" in problem(web.put("/demands/regulars", json=asked, headers=key("c")), 428)
    assert "has changed" in problem(
        web.put("/demands/Regulars", json=asked, headers=key("d") | {"If-Match": '"x"'}), 412
    )
    assert web.get("/demands/regulars").content == shown.content
    held = key("e") | {"If-Match": shown.headers["ETag"]}
    taken = web.put("/demands/regulars", json=asked, headers=held)
    assert ended(web, taken)["result"]["seeds"] == 6
    assert web.put("/demands/regulars", json=asked, headers=held).content == taken.content


class Kept(AudienceService):
    """A service that only lists what was saved."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def list_audiences(self, archived: bool = False) -> tuple[SavedAudience, ...]:
        facts = {"version": 1, "spec": None, "definition": "", "users": 9, "holdout": 1, "as_of": AS_OF}
        facts |= {"model_version": "m", "data_version": "d", "created": datetime(2024, 7, 1, tzinfo=UTC)}
        named = [{"id": f"id of {name}", "name": name, "approved_by": "Ada"} for name in sorted(self.names)]
        return tuple(SavedAudience.model_validate(facts | each) for each in named)


KEPT = Kept()
LISTED = TestClient(make_api(lambda: KEPT, lambda _: None, Gate(Nowhere)))


@given(names=st.lists(st.integers(0, 99), unique=True, max_size=9), limit=st.integers(1, 4), later=st.integers(0, 99))
@settings(max_examples=20)
def test_the_links_lead_to_every_audience_once_even_when_one_is_saved_meanwhile(
    names: list[int], limit: int, later: int
) -> None:
    saved = [f"Audience {number:02}" for number in names]
    KEPT.names = set(saved)
    seen: list[str] = []
    following: str | None = f"/audiences?limit={limit}"
    while following:
        page = LISTED.get(following)
        seen += [each["name"] for each in page.json()["audiences"]]
        assert len(page.json()["audiences"]) <= limit
        following = page.links["next"]["url"] if page.links else None
        assert bool(page.json()["next_cursor"]) == bool(following)
        KEPT.names.add(f"Audience {later:02}")
    assert sorted(set(seen)) == seen
    assert set(saved) <= set(seen) <= {*saved, f"Audience {later:02}"}


@pytest.mark.parametrize("name", ["", " ", "x" * 256, "schlüssel"])
def test_a_key_is_printable_and_short(web: TestClient, name: str) -> None:
    found = web.post("/audiences", json=SAVE, headers={b"Idempotency-Key": name.encode()})
    assert problem(found, 422).startswith("header.Idempotency-Key")
