from collections import Counter

import numpy as np
import pytest
import scipy.sparse as sp

from encoders.features.counts import done_in, read_user_features
from encoders.model.match import ItemVocabulary
from encoders.model.users import read_vocabulary
from encoders.text.encoders import text_encoder
from encoders.training.labels import Label, LabelWriter, came_true
from encoders.workspace import Workspace
from tests.planted import AS_OF, HOSTILE, World


@pytest.fixture(scope="module")
def vocabulary(world: World, world_workspace: Workspace) -> ItemVocabulary:
    return read_vocabulary(world.dataset, text_encoder("use"), world_workspace)


@pytest.fixture(scope="module")
def done(world: World) -> sp.csr_matrix:
    users = read_user_features(world.dataset.before(AS_OF)).user_ids
    return done_in(world.dataset.outcome(AS_OF), users, len(world.dataset.items))


def write(writer: LabelWriter, done: sp.csr_matrix, count: int = 400, seed: int = 1) -> list[Label]:
    return writer.write(done, count, np.random.default_rng(seed))


def test_every_label_came_true_for_somebody_and_names_its_items(
    world: World, vocabulary: ItemVocabulary, done: sp.csr_matrix
) -> None:
    labels = write(LabelWriter(vocabulary, world.dataset.card), done)
    assert len(labels) == 400
    assert came_true(labels, done).any(axis=0).all()
    for label in labels:
        names = {vocabulary.texts[item] for item in label.items} | {vocabulary.groups[item] for item in label.items}
        assert any(name in label.sentence for name in names)
        assert {vocabulary.source_of[item] for item in label.items} == {label.source}


def test_equal_seeds_write_equal_labels(world: World, vocabulary: ItemVocabulary, done: sp.csr_matrix) -> None:
    writer = LabelWriter(vocabulary, world.dataset.card)
    sentences = [[label.sentence for label in write(writer, done, 50, seed)] for seed in (1, 1, 2)]
    assert sentences[0] == sentences[1] != sentences[2]


def test_items_that_may_not_be_named_are_not_named(
    world: World, vocabulary: ItemVocabulary, done: sp.csr_matrix
) -> None:
    names = zip(vocabulary.groups, vocabulary.texts, strict=True)
    allowed = np.array([group not in ("coffee", "bread") and text != "red wine" for group, text in names])
    writer = LabelWriter(vocabulary, world.dataset.card, allowed)
    for label in [*write(writer, done), *writer.groups()]:
        assert allowed[label.items].all()
        assert "coffee" not in label.sentence
        assert "bread" not in label.sentence
        assert not label.sentence.endswith("buy wine"), "a group is not named for only some of its items"


def test_rare_things_are_named_more_often_than_their_share(
    world: World, vocabulary: ItemVocabulary, done: sp.csr_matrix
) -> None:
    labels = write(LabelWriter(vocabulary, world.dataset.card), done, 1500)
    named = Counter(vocabulary.groups[label.items[0]] for label in labels if label.source == 0)
    bought = Counter(vocabulary.groups[item] for item in done.nonzero()[1] if vocabulary.source_of[item] == 0)
    share = {group: named[group] / named.total() / (bought[group] / bought.total()) for group in ("gardening", "bread")}
    assert share["gardening"] > 1 > share["bread"]


def test_one_plain_label_per_group(world: World, vocabulary: ItemVocabulary) -> None:
    labels = LabelWriter(vocabulary, world.dataset.card).groups()
    assert len(labels) == len({*zip(vocabulary.source_of, vocabulary.groups, strict=True)})
    sentences = {label.sentence for label in labels}
    assert "households that will buy dog food" in sentences
    assert "households that will redeem a coupon for wine" in sentences
    assert f"households that will buy {HOSTILE[0]}" in sentences


def test_came_true_equals_a_loop(vocabulary: ItemVocabulary, world: World, done: sp.csr_matrix) -> None:
    labels = write(LabelWriter(vocabulary, world.dataset.card), done, 20)
    table = came_true(labels, done)
    dense = done.toarray()
    assert table.tolist() == [[bool(row[label.items].any()) for label in labels] for row in dense]


def test_nothing_done_writes_nothing(vocabulary: ItemVocabulary, world: World, done: sp.csr_matrix) -> None:
    assert write(LabelWriter(vocabulary, world.dataset.card), sp.csr_matrix(done.shape, dtype=np.float32)) == []
