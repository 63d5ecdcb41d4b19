"""The glossary over a service: what an entry stands for, who may change it, and requests that are read with it."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from encoders.errors import NotAllowedError, NotThereError, RequestError
from encoders.reader.knowledge import GLOSSARY, read_glossary
from encoders.workspace import Workspace
from tests.planted import world_settings
from tools.access.callers import Caller, Scope
from tools.audiences.knowledge import KnowledgeEntry
from tools.service import AudienceService
from tools.storage.registry import Registry
from tools.types import AudienceSpec

pytestmark = pytest.mark.slow

BOARD = KnowledgeEntry(name="Board lunch", says=("board lunch",), things=("wine", "chocolate"))
ASKED = "people for the next board lunch"


@pytest.fixture
def shop(own_workspace: Workspace) -> Iterator[AudienceService]:
    with closing(AudienceService.open(world_settings(own_workspace.path))) as opened:
        yield opened


def meant(shop: AudienceService, text: str = ASKED) -> set[str]:
    read = shop.read(text)
    assert read is not None
    return {each.group for each in read.groups if each.because == BOARD.name}


def test_requests_are_read_with_an_entry_from_then_on(shop: AudienceService, own_workspace: Workspace) -> None:
    assert meant(shop) == set()
    spec = AudienceSpec(demand=f"Households that will buy for the {BOARD.says[0]} in the next 28 days", cut=0.5)
    before = shop.size(spec)
    assert shop.knowledge.put(BOARD) == BOARD
    assert meant(shop) == {"wine", "chocolate"}
    assert shop.size(spec).reads_as != before.reads_as
    changed = shop.knowledge.put(BOARD.model_copy(update={"things": ("beer",)}), BOARD)
    assert meant(shop) == {"beer"}
    assert shop.knowledge.own() == (changed,)
    shop.knowledge.remove(changed)
    assert meant(shop) == set()
    assert read_glossary(own_workspace.path) == ()
    with Registry(own_workspace.registry) as registry:
        lines = [(each.actor, each.action, each.details["entry"]) for each in registry.audit()]
    assert lines == [
        ("owner", "define", "Board lunch"),
        ("owner", "define", "Board lunch"),
        ("owner", "remove definition", "Board lunch"),
    ]


def test_what_an_entry_stands_for_is_told_before_it_is_written(shop: AudienceService, own_workspace: Workspace) -> None:
    found = shop.knowledge.check(BOARD.model_copy(update={"things": ("wine", "hovercraft")}))
    assert found is not None
    assert [(each.thing, each.groups) for each in found] == [("wine", ("wine",)), ("hovercraft", ())]
    with pytest.raises(RequestError, match="nothing like hovercraft"):
        shop.knowledge.put(BOARD.model_copy(update={"things": ("hovercraft",)}))
    for lacking, words in (("name", "Give the entry a name"), ("says", "at least one phrase"), ("things", "one thing")):
        with pytest.raises(RequestError, match=words):
            shop.knowledge.check(BOARD.model_copy(update={lacking: "" if lacking == "name" else ()}))
    with pytest.raises(RequestError, match="The name cannot be used"):
        shop.knowledge.put(BOARD.model_copy(update={"name": "a" * 121}))
    assert not (own_workspace.path / GLOSSARY).exists()


def test_only_the_owner_changes_what_everybody_reads(shop: AudienceService) -> None:
    shop.knowledge.put(BOARD)
    for scopes, tenant in (([Scope.READ, Scope.ACTIVATE], ""), ([Scope.ADMIN], "shop")):
        theirs = shop.of(Caller(name="agent", scopes=frozenset(scopes), tenant=tenant)).knowledge
        assert theirs.own() == (BOARD,)
        with pytest.raises(NotAllowedError, match="admin without a tenant"):
            theirs.put(BOARD, BOARD)
        with pytest.raises(NotAllowedError, match="admin without a tenant"):
            theirs.remove(BOARD)
    with pytest.raises(NotThereError, match="no entry 'Tea time'"):
        shop.knowledge.named("Tea time")


def test_what_comes_along_is_found_by_its_words(shop: AudienceService) -> None:
    every = shop.knowledge.search(limit=1000)
    assert every.total == len(every.entries) > 0
    assert all(each.trade for each in every.entries)
    entry = every.entries[-1]
    found = shop.knowledge.search(entry.says[0].upper())
    assert entry in found.entries
    assert found.total < every.total
    assert shop.knowledge.search("hovercraft").total == 0
    pages = [shop.knowledge.search(start=start, limit=2).entries for start in range(0, every.total, 2)]
    assert tuple(each for page in pages for each in page) == every.entries
