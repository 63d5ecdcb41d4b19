"""What the reader makes of requests in the planted world, whose groups are known."""

from collections.abc import Sequence
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from encoders.reader import Reader, open_reader
from encoders.reader.head import ReaderExample, ReaderHead, Situation, material, meant_by, training_texts
from encoders.reader.knowledge import GROUNDED, Entry, Phrases, ground_things, read_table
from encoders.reader.targets import Targets, spoken_name
from encoders.text.encoders import Matrix
from encoders.workspace import Workspace
from tests.planted import world_settings
from tools.audiences.catalogue import ReaderService
from tools.service import AudienceService


@pytest.fixture(scope="module")
def reader(service: AudienceService) -> Reader:
    return service.reading.open()


@pytest.mark.parametrize(
    ("request_", "group"),
    [
        ("hiya, need folks who'd go for a new dog food, dry or tins, b4 lunch pls", "dog food"),
        ("our coffee launch got moved again, sorry. who would we mail?", "coffee"),
        ("Dear team, we wish to advertise wine to your customers, with kind regards", "wine"),
        ("boss wants laundry detergent people, don't ask", "laundry"),
    ],
)
def test_a_wish_is_found_in_chatter(request_: str, group: str, reader: Reader) -> None:
    understood = reader.read(request_)
    assert understood.groups[0].group == group
    assert understood.groups[0].source == "purchases"
    assert 0.0 < understood.groups[0].probability <= 1.0
    assert understood.nearest == ()


@pytest.mark.parametrize(
    "request_", ["vel klestib grafi", "we sell car insurance, who renews soon?", "can we push the call to half two?"]
)
def test_words_that_mean_nothing_here_name_nothing(request_: str, reader: Reader) -> None:
    understood = reader.read(request_)
    assert understood.groups == ()
    assert understood.nearest


def test_an_entry_is_mixed_in_and_says_where_its_things_come_from(reader: Reader) -> None:
    understood = reader.read("pet owners")
    assert understood.entries
    assert {each.group for each in understood.groups} == {"dog food", "cat food"}
    assert understood.entries == ("Pet owners",)
    assert {each.because for each in understood.groups} == {"Pet owners"}


def test_the_same_text_is_always_read_the_same(reader: Reader, own_workspace: Workspace) -> None:
    text = "something for people with a garden, and a cat"
    again = ReaderService(own_workspace, AudienceService.open(world_settings(own_workspace.path)).forecaster, 7)
    assert again.read(text) == reader.read(text)


def test_a_damaged_cache_is_made_again_and_the_glossary_is_read_anew(
    service: AudienceService, own_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    [cached] = (own_workspace.path / "cache").glob("reader-*.safetensors")
    cached.write_bytes(cached.read_bytes()[:-1] + b"x")
    fit = Mock(wraps=ReaderHead.fit)
    monkeypatch.setattr(ReaderHead, "fit", fit)
    text = '[[entry]]\nname = "VIP"\nsays = ["vip"]\nthings = ["wine", "chocolate"]\n'
    (own_workspace.path / "glossary.toml").write_text(text, "utf-8")
    forecaster = service.forecaster

    def read() -> set[str]:
        reader = open_reader(own_workspace, "planted", forecaster.snapshot.vocabulary, forecaster.encoder, 7)
        return {each.group for each in reader.read("our VIPs").groups[:2]}

    assert read() == {"wine", "chocolate"}
    assert fit.call_count == 1
    assert read() == {"wine", "chocolate"}
    assert fit.call_count == 1


def test_own_data_get_a_table_that_people_can_change(
    service: AudienceService, own_workspace: Workspace, tmp_path: Path
) -> None:
    table = read_table(own_workspace.path / GROUNDED)
    assert table["dry dog food"] == ("dry dog food",)
    path = own_workspace.path / GROUNDED
    path.write_text(
        path.read_text("utf-8").replace('"dry dog food" = ["dry dog food"]', '"dry dog food" = ["wine"]'), "utf-8"
    )
    vocabulary = service.forecaster.snapshot.vocabulary
    open_reader(own_workspace, "planted", vocabulary, service.forecaster.encoder, 7)
    assert read_table(path)["dry dog food"] == ("wine",)


def test_things_are_grounded_by_name_first_and_not_at_all_where_nothing_is_near(service: AudienceService) -> None:
    targets = Targets.of(service.forecaster.snapshot.vocabulary)
    found = ground_things(["wine", "green tea bags", "a violin"], targets, service.forecaster.encoder)
    assert found == {"wine": ("wine",), "green tea bags": ("green tea bags",), "a violin": ()}


def test_shares_of_an_entry_fade_and_sum_to_one(service: AudienceService) -> None:
    targets = Targets.of(service.forecaster.snapshot.vocabulary)
    meant = meant_by(("roast", "wine", "nothing"), {"roast": ("vegetables", "bread"), "nothing": ()}, targets)
    assert list(meant) == list(targets.numbers(["vegetables", "bread", "wine"]))
    assert sum(meant.values()) == pytest.approx(1.0)
    assert meant_by(("y",), {}, targets) == {}


def test_a_line_more_leaves_the_other_texts_as_they_were(service: AudienceService) -> None:
    targets = Targets.of(service.forecaster.snapshot.vocabulary)
    entries = [Entry(name="Garden", says=("a green thumb",), things=("gardening",))]
    before = {each.text for each in training_texts(entries, (), {}, targets, 7)}
    more = [*entries, Entry(name="Cats", says=("a cat person",), things=("cat food",))]
    after = {each.text for each in training_texts(more, (), {}, targets, 7)}
    assert len(before - after) <= 1
    assert any("a cat person" in text for text in after - before)


@pytest.mark.parametrize(
    ("text", "group", "name"),
    [
        ("hair care: shampoo", "hair care", "shampoo"),
        ("The Matrix (1999): action science fiction thriller of the 1990s", "action films", "The Matrix"),
        ("ground coffee", "coffee", "ground coffee"),
        ("(500) Days", "romances", "(500) Days"),
    ],
)
def test_items_are_called_by_their_own_name(text: str, group: str, name: str) -> None:
    assert spoken_name(text, group) == name


def _reader_that_gives(shares: dict[str, float], targets: Targets, entries: tuple[Entry, ...] = ()) -> Reader:
    """A reader whose head always gives these shares of the groups, and the rest to nothing."""
    row = np.zeros((1, len(targets) + 1), np.float32)
    for group, share in shares.items():
        row[0, targets.place[group]] = share
    row[0, -1] = 1.0 - row.sum()

    class Given(ReaderHead):
        def read(self, vectors: Matrix) -> Matrix:
            return row

    class Mute:
        name = "mute"

        def encode(self, texts: Sequence[str]) -> Matrix:
            return np.zeros((len(texts), 0), np.float32)

    return Reader(targets, Given((), torch.zeros(0, 0)), Mute(), entries, {}, Phrases(entries))


def test_a_group_that_is_called_by_its_name_is_named_though_another_stands_out(service: AudienceService) -> None:
    targets = Targets.of(service.forecaster.snapshot.vocabulary)
    reader = _reader_that_gives({"cat food": 0.6, "dog food": 0.1, "wine": 0.05, "coffee": 0.001}, targets)
    chatter = reader.read("the dog food people are angry, and so am I")
    assert [each.group for each in chatter.groups] == ["cat food", "dog food"]
    assert chatter.beside == ("wine",)
    assert [each.group for each in reader.read("angry people").groups] == ["cat food"]


def test_an_entry_fires_only_where_the_whole_request_is_about_what_it_stands_for(service: AudienceService) -> None:
    targets = Targets.of(service.forecaster.snapshot.vocabulary)
    landlord = Entry(name="Landlords", says=("my landlord",), things=("laundry",))
    request = "my landlord is my client, he bottles wine"
    against = _reader_that_gives({"wine": 0.8}, targets, (landlord,)).read(request)
    assert (against.entries, [each.group for each in against.groups]) == ((), ["wine"])
    both = _reader_that_gives({"wine": 0.5, "laundry": 0.2}, targets, (landlord,)).read(request)
    assert both.entries == ("Landlords",)


def test_what_an_entry_stands_for_stays_together(service: AudienceService) -> None:
    targets = Targets.of(service.forecaster.snapshot.vocabulary)
    feast = Entry(name="Feast", says=("our feast",), things=("wine", "bread"))
    shares = {"coffee": 0.5, "wine": 0.1, "cat food": 0.2}
    together = _reader_that_gives(shares, targets, (feast,)).read("our feast")
    assert {"coffee", "wine"} <= {each.group for each in together.groups}
    assert "cat food" not in {each.group for each in together.groups}
    apart = _reader_that_gives(shares, targets).read("our feast")
    assert [each.group for each in apart.groups] == ["coffee"]


def test_that_nothing_is_meant_is_told_from_being_unsure(service: AudienceService) -> None:
    targets = Targets.of(service.forecaster.snapshot.vocabulary)
    nothing = _reader_that_gives({"wine": 0.01}, targets).read("piano lessons")
    assert (nothing.groups, nothing.sure) == ((), True)
    even = dict.fromkeys(targets.names[: targets.groups], 1.0 / targets.groups)
    unsure = _reader_that_gives(even, targets).read("all and sundry")
    assert (unsure.groups, unsure.sure) == ((), False)


def test_requests_are_read_with_their_slips_put_right(service: AudienceService) -> None:
    assert service.spelled("who buys our choclate and wime?") == "who buys our chocolate and wime?"
    read = service.read("who buys our new choclate?")
    assert read is not None
    assert [each.group for each in read.groups] == ["chocolate"]


def test_words_that_are_said_nowhere_mean_nothing(service: AudienceService) -> None:
    texts = ("blorptastic quimby fans", "zorvex plim tractuals", "quimby chocolate buyers")
    read = [each and [group.group for group in each.groups] for each in map(service.read, texts)]
    assert read == [[], [], ["chocolate"]]


def test_a_situation_teaches_what_it_means_bare_and_within_chatter(service: AudienceService) -> None:
    targets = Targets.of(service.forecaster.snapshot.vocabulary)
    told = (Situation("the pot is on before sunrise", ("coffee",)), Situation("nothing of ours", ("a violin",)))
    coffee = dict.fromkeys(targets.numbers(["coffee"]), 1.0)
    found = [each for each in training_texts((), told, {}, targets, 7) if "before sunrise" in each.text]
    assert [each.meant for each in found] == [coffee, coffee]
    assert found[0].text == told[0].text
    assert not any(told[1].text in each.text for each in training_texts((), told, {}, targets, 7))


@pytest.mark.slow
def test_learning_the_head_tells_how_far_it_is_and_stops_where_that_raises() -> None:
    examples = [ReaderExample("dogs", {0: 1.0}), ReaderExample("nothing", {})]
    vectors, things = np.eye(2, 4, dtype=np.float32), np.eye(3, 4, dtype=np.float32)
    told: list[float] = []
    ReaderHead.fit(vectors, examples, things, 7, told.append)
    assert told == sorted(set(told))
    assert told[0] == 0.0
    assert 0.9 < told[-1] < 1.0

    def stop(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ReaderHead.fit(vectors, examples, things, 7, stop)


def test_who_speaks_of_their_own_trade_wants_what_they_wanted_before(service: AudienceService) -> None:
    targets = Targets.of(service.forecaster.snapshot.vocabulary)
    texts = training_texts((), (), {}, targets, 7)
    meant = {each.text: each.meant for each in texts}
    beside = [
        (each, text.removeprefix(start))
        for text, each in meant.items()
        for trade in dict.fromkeys(material().elsewhere)
        for start in (f"we sell {trade}. ", f"{trade} brand here: ")
        if text.startswith(start)
    ]
    assert len(beside) > 5
    assert all(each == meant[rest] for each, rest in beside)
    assert {bool(each) for each, _ in beside} == {True, False}
