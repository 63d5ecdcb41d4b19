import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from encoders.features.counts import read_user_features
from encoders.features.forms import Counted, count_all, count_some
from encoders.features.structure import Factors, Structure
from encoders.model.match import CHANNELS, Attention, ItemVocabulary, Match, Similarities, TextTower, channels
from tests.planted import AS_OF, World


@pytest.fixture(scope="module")
def everything(world: World) -> Counted:
    return count_all(read_user_features(world.dataset.before(AS_OF)))


def some_attention(counted: Counted, demands: int, seed: int) -> Attention:
    chance = torch.Generator().manual_seed(seed)
    items, groups = counted.logged.shape[1], counted.group_last.shape[1]
    return Attention(
        torch.randn(2, demands, items, generator=chance).softmax(-1),
        torch.randn(demands, groups, generator=chance).softmax(-1),
        torch.randn(demands, items, generator=chance).softmax(-1),
        torch.rand(demands, 2, generator=chance),
    )


def some_structure(things: int, seed: int) -> Structure:
    chance = torch.Generator().manual_seed(seed)
    kept = torch.randperm(things, generator=chance)[: things // 2].sort().values
    return Structure(kept, 0.1 * torch.randn(len(kept), len(kept), generator=chance))


def some_directions(counted: Counted, seed: int) -> Factors:
    chance = torch.Generator().manual_seed(seed)
    users, items = counted.logged.shape
    return Factors(torch.randn(users, 4, generator=chance), torch.randn(items, 4, generator=chance))


def naive(
    counted: Counted,
    attention: Attention,
    items: Structure,
    groups: tuple[Structure, Structure],
    directions: Factors,
    source: torch.Tensor,
) -> np.ndarray:
    """Every channel of every user as its definition has it, on dense tables."""

    def own(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(1e-3 + counts @ weights.T))

    def related(logged: np.ndarray, structure: Structure, weights: np.ndarray) -> np.ndarray:
        full = np.zeros((weights.shape[1],) * 2)
        full[np.ix_(structure.kept.numpy(), structure.kept.numpy())] = structure.weights.numpy()
        return np.asarray(logged @ full @ weights.T)

    wide, narrow = attention.items.numpy()
    by_group, other = attention.groups.numpy(), attention.other.numpy()
    found = []
    for head in (wide, narrow):
        found += [own(counts.toarray(), head) for counts in counted.counts]
        found.append(related(counted.logged.toarray(), items, head))
    found.append(own((counted.counts[-1].toarray() > 0).astype(float), narrow))
    found.append(own(counted.value.toarray(), narrow))
    found.append((directions.users @ directions.things.T).numpy() @ narrow.T)
    found += [own(days.toarray(), by_group) for days in counted.group_days]
    found.append(own(counted.group_last.toarray(), by_group))
    ever, lately = np.log1p(counted.group_days[-1].toarray()), np.log1p(counted.group_days[-2].toarray())
    found += [related(ever, groups[0], by_group), related(lately, groups[1], by_group)]
    found += [own(counted.counts[-2].toarray(), other), *source.numpy().transpose(2, 0, 1)]
    return np.stack(found, axis=-1)


@given(st.integers(0, 2**31))
def test_channels_equal_dense_products(everything: Counted, seed: int) -> None:
    items, groups = everything.logged.shape[1], everything.group_last.shape[1]
    attention = some_attention(everything, 3, seed)
    structures = some_structure(groups, seed), some_structure(groups, seed + 1)
    totals = torch.rand(everything.logged.shape[0], 3, 2, generator=torch.Generator().manual_seed(seed))
    given = (attention, some_structure(items, seed), structures, some_directions(everything, seed), totals)
    found = channels(everything, *given)
    assert found.shape == (everything.logged.shape[0], 3, len(CHANNELS))
    np.testing.assert_allclose(found.numpy(), naive(everything, *given), rtol=1e-3, atol=1e-3)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=9))
def test_channels_of_some_users_are_rows_of_those_of_all(everything: Counted, chosen: list[int]) -> None:
    items, groups = everything.logged.shape[1], everything.group_last.shape[1]
    structures = some_structure(groups, 1), some_structure(groups, 2)
    given = (some_attention(everything, 2, 0), some_structure(items, 3), structures, some_directions(everything, 4))
    totals, rows = torch.rand(everything.logged.shape[0], 2, 2), np.array(chosen)
    some = channels(count_some(everything, rows), *given, totals[rows])
    torch.testing.assert_close(some, channels(everything, *given, totals)[rows])


def test_a_family_names_every_channel_by_what_it_reads(everything: Counted) -> None:
    """With nothing that goes together, the channels of that family are zero and no other is constant."""
    attention = some_attention(everything, 2, 0)
    items, groups = everything.logged.shape[1], everything.group_last.shape[1]
    nothing = [Structure(torch.arange(size), torch.zeros(size, size)) for size in (items, groups, groups)]
    totals = torch.rand(everything.logged.shape[0], 2, 2, generator=torch.Generator().manual_seed(6))
    no_directions = Factors(torch.zeros(everything.logged.shape[0], 1), torch.zeros(items, 1))
    found = channels(everything, attention, nothing[0], (nothing[1], nothing[2]), no_directions, totals)
    constant = [not channel.std() for channel in found.unbind(-1)]
    assert constant == [family == "structure" for family in CHANNELS]


def some_nearness(demands: int, items: int, groups: int) -> Similarities:
    chance = torch.Generator().manual_seed(5)
    text, group, names = (torch.rand(demands, size, generator=chance) for size in (items, items, groups))
    return Similarities(text, group, names, torch.maximum(text.amax(-1), names.amax(-1)))


def test_attention_sums_to_one_over_what_is_allowed_only() -> None:
    match, near = Match(4), some_nearness(2, 3, 4)
    items = torch.tensor([[True, False, True], [False, False, False]])
    groups = torch.tensor([[False, False, False, False], [True, True, False, True]])
    attention = match.attention(near, items, groups, ~items)
    for weights, allowed in ((attention.items, items), (attention.groups, groups), (attention.other, ~items)):
        torch.testing.assert_close(weights.sum(-1), allowed.any(-1).float().expand(weights.shape[:-1]))
        assert not weights[..., ~allowed].any()
        assert (weights[..., allowed] > 0).all()
    best_item, best_group = attention.nearest.T
    assert best_item.tolist() == [near.text[0, [0, 2]].max(), -1.0]
    assert best_group.tolist() == [-1.0, near.groups[1, [0, 1, 3]].max()]


def test_the_second_head_looks_more_narrowly_and_both_prefer_what_is_nearer() -> None:
    text, names = torch.tensor([[0.1, 0.5, 0.3]]), torch.tensor([[0.2, 0.4]])
    near = Similarities(text, text, names, torch.tensor([0.5]))
    everything = torch.ones(1, 3, dtype=torch.bool)
    attention = Match(4).attention(near, everything, torch.ones(1, 2, dtype=torch.bool), everything)
    wide, narrow = attention.items[:, 0]
    assert wide.argsort().tolist() == narrow.argsort().tolist() == [0, 2, 1]
    assert narrow.max() > wide.max()
    assert attention.groups[0, 1] > attention.groups[0, 0]


def vocabulary_of(texts: np.ndarray, groups: np.ndarray, group_of: list[int]) -> ItemVocabulary:
    items = len(texts)
    return ItemVocabulary(
        texts=[f"item {number}" for number in range(items)],
        groups=[f"group {number}" for number in group_of],
        sources=["buy"],
        source_of=np.zeros(items, np.int64),
        group_of=np.array(group_of, np.int64),
        source_of_group=np.zeros(len(groups), np.int64),
        text_vectors=texts,
        group_vectors=groups,
    )


def test_alternatives_count_alike() -> None:
    """Two items share the second of two groups; the first demand has two alternatives."""
    match, axes = Match(2), np.eye(2, dtype=np.float32)
    phrases = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    near = match.nearness(phrases, torch.tensor([0, 0, 1]), match.place(vocabulary_of(axes, axes, [1, 1])), 2)
    assert near.text.tolist() == [[0.5, 0.5], [1.0, 0.0]]
    assert near.groups.tolist() == [[0.5, 0.5], [1.0, 0.0]]
    assert near.group.tolist() == [[0.5, 0.5], [0.0, 0.0]]
    relevance = match.relevance(near)
    assert relevance[0, 0] == relevance[0, 1] > 0.5, "an item's text and its group speak for it together"
    torch.testing.assert_close(relevance[1, 0], torch.tensor(1.0))
    assert relevance[1, 1] < 0.1


def test_the_text_tower_begins_as_the_identity() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(5, 8), dim=-1)
    torch.testing.assert_close(TextTower(8)(vectors), vectors)
