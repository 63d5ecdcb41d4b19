import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from encoders.training.fit import MaskedInfoNCE, WindowContrast


def naive(logits: list[list[float]], positive: list[list[bool]]) -> float:
    """The loss as its docstring tells it, one pair after the other."""
    rows = []
    for scores, truth in zip(logits, positive, strict=True):
        negatives = [score for score, true in zip(scores, truth, strict=True) if not true]
        positives = [score for score, true in zip(scores, truth, strict=True) if true]
        if not positives or not negatives:
            continue
        rest = sum(math.exp(score) for score in negatives)
        rows.append(sum(-math.log(math.exp(score) / (math.exp(score) + rest)) for score in positives) / len(positives))
    return sum(rows) / len(rows) if rows else 0.0


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**31), st.floats(0, 1), st.floats(-1, 1))
def test_the_loss_equals_a_naive_loop(rows: int, columns: int, seed: int, share: float, temperature: float) -> None:
    chance = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(rows, columns, generator=chance, dtype=torch.float64)
    done = torch.rand(rows, columns, generator=chance) < share
    loss = MaskedInfoNCE().double()
    loss.log_temperature.data.fill_(temperature)
    terms = {name: float(term.detach()) for name, term in loss(scores, done).items()}
    sharp = scores * math.exp(temperature)
    assert terms == {
        "text_to_user_loss": pytest.approx(naive(sharp.T.tolist(), done.T.tolist()), abs=1e-9),
        "user_to_text_loss": pytest.approx(naive(sharp.tolist(), done.tolist()), abs=1e-9),
    }


def test_rows_without_positives_or_without_negatives_teach_nothing() -> None:
    scores = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    done = torch.tensor([[True, True, True], [False, False, False], [True, False, False], [True, False, True]])
    loss = MaskedInfoNCE()(scores, done)["user_to_text_loss"]
    loss.backward()
    assert scores.grad is not None
    assert not scores.grad[:2].any()
    assert scores.grad[2:].all()
    assert scores.grad.isfinite().all()


def test_a_positive_is_never_pushed_down_by_another_positive() -> None:
    scores = torch.zeros(1, 3, requires_grad=True)
    MaskedInfoNCE()(scores, torch.tensor([[True, True, False]]))["user_to_text_loss"].backward()
    assert scores.grad is not None
    assert (scores.grad[0, :2] < 0).all()
    assert scores.grad[0, 2] > 0


def test_nothing_came_true() -> None:
    scores = torch.randn(3, 3, requires_grad=True)
    terms = MaskedInfoNCE()(scores, torch.zeros(3, 3, dtype=torch.bool))
    sum(terms.values()).backward()
    assert not any(term.item() for term in terms.values())


def some_windows(users: int, windows: int, seed: int) -> list[Tensor]:
    chance = torch.Generator().manual_seed(seed)
    drawn = torch.randn(windows, users, 4, generator=chance, dtype=torch.float64)
    return list(functional.normalize(drawn, dim=-1))


def beliefs_by_hand(one: Tensor, other: Tensor, scale: float) -> list[list[float]]:
    """Chance of every user of ``other`` for every user of ``one``, one pair after the other."""
    chances = []
    for mine in one.tolist():
        raw = [math.exp(scale * sum(a * b for a, b in zip(mine, theirs, strict=True))) for theirs in other.tolist()]
        chances.append([each / sum(raw) for each in raw])
    return chances


@given(st.integers(2, 6), st.integers(2, 4), st.integers(0, 2**31), st.floats(0.5, 12))
def test_the_window_terms_equal_naive_loops(users: int, windows: int, seed: int, scale: float) -> None:
    given = some_windows(users, windows, seed)
    loss = WindowContrast().double()
    loss.log_scale.data.fill_(math.log(scale))
    beliefs = [beliefs_by_hand(given[k], given[(k + 1) % windows], scale) for k in range(windows)]
    contrast = [-math.log(belief[user][user]) for belief in beliefs for user in range(users)]
    turns = [(beliefs[k], beliefs[(k + 1) % windows]) for k in range(windows)]
    divergence = [
        sum(q * math.log(q / p) for p, q in zip(now[user], after[user], strict=True))
        for now, after in turns
        for user in range(users)
    ]
    terms = {name: float(term.detach()) for name, term in loss(given).items()}
    assert terms == {
        "window_loss": pytest.approx(sum(contrast) / len(contrast), abs=1e-9),
        "cyclic_loss": pytest.approx(sum(divergence) / len(divergence), abs=1e-9),
    }


def test_windows_of_one_user_that_are_alike_cost_least() -> None:
    alike, _, other = some_windows(6, 3, seed=4)
    terms = {name: float(term.detach()) for name, term in WindowContrast()([alike, alike, alike]).items()}
    mixed = WindowContrast()([alike, other, alike.flip(0)])
    assert terms["cyclic_loss"] == pytest.approx(0, abs=1e-9)
    assert terms["window_loss"] < mixed["window_loss"].item() / 2
    assert mixed["cyclic_loss"].item() > 0.1
