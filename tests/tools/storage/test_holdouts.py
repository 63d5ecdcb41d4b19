"""Who is held out: of each band of the forecast the same share; and a control group that stays as it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.storage.holdouts import BANDS, ControlGroup, hold_out

USERS = [f"h{number:04}" for number in range(1000)]
CHANCES = {user: (number + 0.5) / 1000 for number, user in enumerate(USERS)}
KEY = bytes(range(32))


def test_each_band_of_the_forecast_gives_its_share() -> None:
    held = hold_out(USERS, 0.1, "aud-1", CHANCES)
    assert len(held) == 100
    bands = np.histogram([CHANCES[user] for user in held], BANDS, (0, 1))[0]
    assert bands.tolist() == [10] * BANDS
    assert held != hold_out(USERS, 0.1, "aud-2", CHANCES)
    assert held == hold_out(USERS[::-1], 0.1, "aud-1", CHANCES)


def test_those_held_out_are_as_likely_as_the_others_every_time_and_by_chance_only_on_average() -> None:
    chances = {user: chance**4 for user, chance in CHANCES.items()}
    everybody = np.mean(list(chances.values()))

    def spread(known: dict[str, float] | None) -> float:
        drawn = [hold_out(USERS, 0.1, f"aud-{number}", known) for number in range(60)]
        return float(np.std([np.mean([chances[user] for user in held]) for held in drawn]) / everybody)

    assert spread(chances) < 0.35 * spread(None)


@given(st.integers(0, 60), st.floats(0, 1), st.booleans())
def test_the_share_is_exact_whatever_the_bands(count: int, share: float, known: bool) -> None:
    users = USERS[:count]
    held = hold_out(users, share, "aud", CHANCES if known else None)
    assert len(held) == len(set(held)) == round(share * count)
    assert set(held) <= set(users)


def test_what_rounding_leaves_over_goes_to_no_band_in_particular() -> None:
    users = USERS[:130]
    counts = np.zeros(BANDS)
    for number in range(300):
        held = hold_out(users, 0.1, f"aud-{number}", CHANCES)
        counts += np.histogram([CHANCES[user] for user in held], BANDS, (0, 0.13))[0]
    assert counts.sum() == 300 * 13
    assert counts.min() > 0.85 * counts.mean()


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_the_control_group_is_the_same_in_all_data_and_grows_with_its_share(share: float) -> None:
    group = ControlGroup(KEY, share)
    users = [f"u{number}" for number in range(20_000)]
    among = group.among(users)
    assert len(among) == pytest.approx(share * 20_000, abs=4 * (share * 20_000) ** 0.5)
    assert group.among(users[::7]) == among & set(users[::7])
    assert among < ControlGroup(KEY, 2 * share).among(users)
    assert among != ControlGroup(KEY[::-1], share).among(users)
    assert group.digest != ControlGroup(KEY, 2 * share).digest


def test_no_share_is_nobody() -> None:
    group = ControlGroup(KEY, 0.0)
    assert (group.among(USERS), group.digest) == (frozenset(), "")
