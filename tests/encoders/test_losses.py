import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from encoders.losses import MaskedInfoNCE


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
