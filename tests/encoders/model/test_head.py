import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import encoders.model.dual
from encoders.features.counts import ACTIVITY
from encoders.model.dual import Addition, ScoreHead
from encoders.model.match import CHANNELS, Family

ADDITIONS: tuple[Addition, ...] = ("match", "structure", "activity", "dense")


def inputs(users: int = 12, demands: int = 3, seed: int = 0) -> dict[str, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return {
        "found": 3 * torch.randn(users, demands, len(CHANNELS), generator=chance),
        "nearest": torch.rand(demands, 2, generator=chance),
        "aligned": 3 * torch.randn(users, demands, generator=chance),
        "activity": torch.randn(users, len(ACTIVITY), generator=chance),
    }


def changed(given: dict[str, Tensor], part: Addition) -> dict[str, Tensor]:
    """The same inputs with other numbers in one part of the score."""
    users, demands = given["aligned"].shape
    other = inputs(users, demands, seed=99)
    families: tuple[Family, ...] = ("match", "structure")
    if part in families:
        mine = torch.tensor([family == part for family in CHANNELS])
        return given | {"found": torch.where(mine, other["found"], given["found"])}
    name = "aligned" if part == "dense" else part
    return given | {name: other[name]}


def everyone(given: dict[str, Tensor]) -> np.ndarray:
    return np.ones(len(given["aligned"]), bool)


@pytest.mark.parametrize("left_out", ADDITIONS)
@torch.no_grad()
def test_a_part_that_is_left_out_changes_no_score_and_every_other_does(left_out: Addition) -> None:
    torch.manual_seed(1)
    head, known = ScoreHead((left_out,)), inputs()
    here = everyone(known)
    before = head(**known, here=here)
    for part in ADDITIONS:
        same = torch.equal(head(**changed(known, part), here=here), before)
        assert same == (part == left_out), part


def naive(
    head: ScoreHead, found: Tensor, nearest: Tensor, aligned: Tensor, activity: Tensor, here: np.ndarray
) -> Tensor:
    """Every feature of every pair written out, then a line and a small network over them."""

    def standard(values: Tensor) -> Tensor:
        known = values[torch.from_numpy(here)]
        return torch.div(values - known.mean(0), known.std(0, correction=0) + 0.05)

    users, demands, _ = found.shape
    level = found[torch.from_numpy(here)].mean(0).expand_as(found) / 4.0
    active = activity[:, None].expand(users, demands, -1)
    near = (4.0 * nearest - 2.0).expand(users, -1, -1)
    features = torch.cat([standard(found), level, near, active, standard(aligned)[..., None]], dim=-1) * head.kept
    scores: Tensor = (head.line(features) + head.bend(features)).squeeze(-1)
    return scores


@pytest.mark.parametrize("without", [(), ("structure",), ("match", "dense")])
@given(users=st.integers(2, 40), demands=st.integers(1, 5), seed=st.integers(0, 2**31))
def test_scores_in_blocks_and_their_gradients_equal_the_plain_way(
    without: tuple[Addition, ...], users: int, demands: int, seed: int
) -> None:
    """Ragged last block included; some users are outside the population."""
    torch.manual_seed(seed)
    head, known = ScoreHead(without), inputs(users, demands, seed)
    here = np.arange(users) < max(2, users // 2)
    gradients = []
    for way in (head, lambda **given: naive(head, **given)):
        given = {name: values.clone().requires_grad_() for name, values in known.items()}
        head.zero_grad()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(encoders.model.dual, "BLOCK", 7)
            scores = way(**given, here=here)
        scores.square().sum().backward()
        gradient = head.bend[0].get_parameter("weight").grad
        assert gradient is not None
        gradients.append([scores.detach(), *(values.grad for values in given.values()), gradient.clone()])
    for fast, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-3, atol=1e-3)


@given(st.integers(0, 2**31), st.floats(0.1, 10), st.floats(-50, 50))
@torch.no_grad()
def test_the_size_and_level_of_the_cosine_do_not_matter(seed: int, size: float, level: float) -> None:
    """It is standardised over the users; only the little that keeps a constant finite is felt."""
    torch.manual_seed(2)
    head, known = ScoreHead(), inputs(seed=seed)
    known["aligned"] = 20 * known["aligned"]
    here = everyone(known)
    other = known | {"aligned": size * known["aligned"] + level}
    torch.testing.assert_close(head(**other, here=here), head(**known, here=here), rtol=0.02, atol=0.02)


@torch.no_grad()
def test_users_outside_the_population_do_not_move_the_others() -> None:
    torch.manual_seed(3)
    head, known = ScoreHead(), inputs()
    here = np.arange(12) < 9
    other = {name: values.clone() for name, values in known.items()}
    for name in ("found", "aligned", "activity"):
        other[name][9:] *= 1000
    before, after = head(**known, here=here), head(**other, here=here)
    torch.testing.assert_close(after[:9], before[:9])
    assert not torch.allclose(after[9:], before[9:])


@torch.no_grad()
def test_where_everybody_is_alike_scores_are_finite() -> None:
    known = {name: torch.ones_like(values) for name, values in inputs().items()}
    scores = ScoreHead()(**known, here=everyone(known))
    assert scores.shape == (12, 3)
    assert scores.isfinite().all()
    assert np.ptp(scores.numpy()) < 1e-5
