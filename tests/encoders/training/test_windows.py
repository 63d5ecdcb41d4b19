from datetime import timedelta

import numpy as np
import pytest

from encoders.data.events import HORIZON_DAYS
from encoders.errors import DataError
from encoders.model.match import ItemVocabulary
from encoders.model.users import read_vocabulary
from encoders.text.encoders import text_encoder
from encoders.training.labels import Label, encode_labels, read_examples
from encoders.workspace import Workspace
from tests.planted import AS_OF, FIRST, World


@pytest.fixture(scope="module")
def vocabulary(world: World, world_workspace: Workspace) -> ItemVocabulary:
    return read_vocabulary(world.dataset, text_encoder("use"), world_workspace)


def test_an_example_is_a_snapshot_and_what_came_right_after_it(world: World, vocabulary: ItemVocabulary) -> None:
    examples = read_examples(world.dataset.before(AS_OF), vocabulary, text_encoder("use"), 3)
    dates = [example.snapshot.histories.past.as_of for example in examples]
    assert dates == [AS_OF - timedelta(days=HORIZON_DAYS * k) for k in (1, 2, 3)]
    for as_of, example in zip(dates, examples, strict=True):
        users = example.snapshot.histories.user_ids
        future = world.dataset.outcome(as_of).select("user_id", "item_id").unique().rows()
        rows, items = example.done.nonzero()
        found = {(users[row], int(item)) for row, item in zip(rows, items, strict=True)}
        assert found == {(user, item) for user, item in future if user in set(users)}
        assert example.done.shape == (len(users), len(vocabulary.texts))


def test_one_window_is_too_little_to_learn_from(world: World, vocabulary: ItemVocabulary) -> None:
    for as_of, count in ((FIRST + timedelta(days=60), 6), (AS_OF, 1)):
        with pytest.raises(DataError, match=f"too little history before {as_of}"):
            read_examples(world.dataset.before(as_of), vocabulary, text_encoder("use"), count)


def test_a_label_that_reads_as_two_demands_is_dropped() -> None:
    sentences = ("people who will buy tea or beer", "people who will buy tea but not beer", "people who will buy wine")
    labels = [Label(sentence, number, np.array([number])) for number, sentence in enumerate(sentences)]
    parts, kept = encode_labels(text_encoder("use"), labels)
    assert [label.sentence for label in kept] == [sentences[0], sentences[2]]
    assert len(parts) == 2
    assert parts.owner.tolist() == [0, 0, 1]
    assert parts.source.tolist() == [0, 2]
