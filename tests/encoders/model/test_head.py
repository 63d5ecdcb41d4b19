import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from encoders.history.activity import ACTIVITY
from encoders.model.head import Addition, Head
from encoders.model.match import CHANNELS, Family

ADDITIONS: tuple[Addition, ...] = ("match", "structure", "activity", "dense")


def inputs(users: int = 12, demands: int = 3, seed: int = 0) -> dict[str, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return {
        "found": 3 * torch.randn(users, demands, len(CHANNELS), generator=chance),
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
    head, known = Head((left_out,)), inputs()
    here = everyone(known)
    before = head(**known, here=here)
    for part in ADDITIONS:
        same = torch.equal(head(**changed(known, part), here=here), before)
        assert same == (part == left_out), part


@given(st.integers(0, 2**31), st.floats(0.1, 10), st.floats(-50, 50))
@torch.no_grad()
def test_the_size_and_level_of_the_cosine_do_not_matter(seed: int, size: float, level: float) -> None:
    """It is standardised over the users; only the little that keeps a constant finite is felt."""
    torch.manual_seed(2)
    head, known = Head(), inputs(seed=seed)
    known["aligned"] = 20 * known["aligned"]
    here = everyone(known)
    other = known | {"aligned": size * known["aligned"] + level}
    torch.testing.assert_close(head(**other, here=here), head(**known, here=here), rtol=0.02, atol=0.02)


@torch.no_grad()
def test_users_outside_the_population_do_not_move_the_others() -> None:
    torch.manual_seed(3)
    head, known = Head(), inputs()
    here = np.arange(12) < 9
    other = {name: values.clone() for name, values in known.items()}
    for values in other.values():
        values[9:] *= 1000
    before, after = head(**known, here=here), head(**other, here=here)
    torch.testing.assert_close(after[:9], before[:9])
    assert not torch.allclose(after[9:], before[9:])


@torch.no_grad()
def test_where_everybody_is_alike_scores_are_finite() -> None:
    known = {name: torch.ones_like(values) for name, values in inputs().items()}
    scores = Head()(**known, here=everyone(known))
    assert scores.shape == (12, 3)
    assert scores.isfinite().all()
    assert np.ptp(scores.numpy()) < 1e-5
