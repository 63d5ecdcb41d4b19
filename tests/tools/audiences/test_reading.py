"""The reader of a server is opened in the background, and nobody waits for what is being learned."""

from collections.abc import Callable
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import cast

import pytest

from encoders.errors import DataError
from encoders.predictor import Forecaster
from encoders.reader import Reader, WholeReading
from encoders.workspace import Progress, Workspace
from tools.audiences import catalogue
from tools.audiences.catalogue import Learning, ReaderService

READ = WholeReading(groups=(), entries=("Tea",), sure=True)


class Ready(Reader):
    """A reader that was learned."""

    def __init__(self) -> None:
        """Know nothing but one answer."""

    def read(self, text: str) -> WholeReading:
        return READ


Open = Callable[[Progress], Reader]
READER = Ready()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Open], ReaderService]:
    """A reader that is opened by some function."""
    card, config = SimpleNamespace(name="planted"), SimpleNamespace(text_encoder="none")
    forecaster = cast(
        Forecaster,
        SimpleNamespace(
            dataset=SimpleNamespace(card=card),
            snapshot=SimpleNamespace(vocabulary=SimpleNamespace(groups=("tea",), texts=("tea: green tea",))),
            model=SimpleNamespace(config=config),
            read_with=lambda reader: None,
        ),
    )
    monkeypatch.setattr(catalogue, "text_encoder", lambda name: None)

    def make(open_it: Open) -> ReaderService:
        monkeypatch.setattr(catalogue, "open_reader", lambda *given: open_it(given[-1]))
        return ReaderService(Workspace(tmp_path), forecaster, 7)

    return make


def test_what_is_asked_while_it_learns_is_read_without_it(made: Callable[[Open], ReaderService]) -> None:
    begun, learned = Event(), Event()

    def learn(progress: Progress) -> Reader:
        progress("Learning to read requests", 0.4)
        begun.set()
        learned.wait(30)
        return READER

    one = made(learn)
    one.begin()
    one.begin()
    assert begun.wait(30)
    assert one.learning == Learning("Learning to read requests", 0.4)
    assert one.read("tea") is None
    learned.set()
    assert one.open() is READER
    one.close()
    assert one.learning is None
    assert one.read("tea") == READ


def test_a_reader_that_is_loaded_is_waited_for(made: Callable[[Open], ReaderService]) -> None:
    asked = Event()

    def load(_: Progress) -> Reader:
        asked.wait(0.2)
        return READER

    one = made(load)
    one.begin()
    assert one.learning is not None
    assert one.learning.share is None
    assert one.read("tea") == READ


def test_learning_ends_with_the_service(made: Callable[[Open], ReaderService]) -> None:
    begun, ended = Event(), []

    def learn(progress: Progress) -> Reader:
        try:
            while True:
                progress("Learning to read requests", 0.1)
                begun.set()
        finally:
            ended.append(True)

    one = made(learn)
    one.begin()
    assert begun.wait(30)
    one.close()
    assert ended == [True]
    assert one.learning is None


def test_a_glossary_that_cannot_be_read_is_told_to_whoever_asks(made: Callable[[Open], ReaderService]) -> None:
    def fail(_: Progress) -> Reader:
        raise DataError("glossary.toml cannot be read.")

    one = made(fail)
    one.begin()
    with pytest.raises(DataError, match="glossary"):
        one.read("tea")


def test_without_a_beginning_the_first_request_opens_it(made: Callable[[Open], ReaderService]) -> None:
    assert made(lambda _: READER).read("tea") == READ


def test_a_reader_that_is_there_is_loaded_at_once(made: Callable[[Open], ReaderService]) -> None:
    opened = []

    def load(_: Progress) -> Reader:
        opened.append(True)
        return READER

    one = made(load)
    one.load()
    assert one.open() is READER
    assert opened == [True]


def test_one_that_would_have_to_be_learned_is_not(made: Callable[[Open], ReaderService]) -> None:
    learned = []

    def learn(progress: Progress) -> Reader:
        progress("Learning to read requests", 0.0)
        learned.append(True)
        return READER

    one = made(learn)
    one.load()
    assert not learned
    assert one.read("tea") == READ
