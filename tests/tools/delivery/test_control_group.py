"""A control group that lasts: in no file, whoever asks, and said with its number and the reason."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from encoders.errors import NotThereError
from encoders.workspace import Workspace
from tests.planted import AS_OF, MASK_KEY, World
from tests.present import present
from tools.service import AudienceService
from tools.storage.holdouts import ControlGroup
from tools.types import AudienceSpec

COFFEE = AudienceSpec(demand="Households that will buy coffee in the next 28 days", cut=0.6)
TEA = AudienceSpec(demand="Households that will buy tea in the next 28 days", cut=0.6)
SHARE = 0.15
GROUP = ControlGroup(MASK_KEY, SHARE)


@pytest.fixture
def workspace(world: World, tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "own")
    made.path.mkdir()
    made.data.symlink_to(world.folder)
    (made.path / "mask.key").write_bytes(MASK_KEY)
    return made


def opened(service: AudienceService, workspace: Workspace, control: float) -> AudienceService:
    settings = service.settings.model_copy(update={"control": control})
    return AudienceService(settings, workspace, service.forecaster)


@pytest.fixture
def shop(service: AudienceService, workspace: Workspace) -> Iterator[AudienceService]:
    made = opened(service, workspace, SHARE)
    yield made
    made.close()


def in_file(path: str) -> set[str]:
    return set(pl.read_csv(path, infer_schema=False)["user_id"])


def test_it_is_in_no_file_and_the_answers_say_how_many_and_why(shop: AudienceService) -> None:
    saved = shop.save(COFFEE, "coffee", "Ada", holdout=0.3)
    members, held = (set(each) for each in shop.tenant.registry.members("coffee"))
    never = GROUP.among(members)
    assert never
    assert never < held
    assert len(held) == saved.holdout == round(0.3 * present(saved.users))
    said = f"{len(never)} are in the control group that lasts, who are never contacted"
    assert saved.notes == (f"{said}; they count among those held out.",)
    file = shop.export("coffee")
    assert in_file(file.path) == members - held
    assert file.held_out == len(held - never)
    assert [(each.reason, each.users, each.detail) for each in file.left_out] == [("control group", len(never), said)]
    assert file.warnings[0] == f"Left out: {said}."


def test_without_a_holdout_it_is_still_left_out_and_every_audience_has_the_same(shop: AudienceService) -> None:
    for name, spec in {"coffee": COFFEE, "tea": TEA}.items():
        shop.save(spec, name, "Ada", holdout=0)
        members, held = (set(each) for each in shop.tenant.registry.members(name))
        assert held == GROUP.among(members)
        assert not in_file(shop.export(name).path) & GROUP.among(members)


def test_what_was_saved_before_it_was_set_leaves_it_out_from_then_on(
    service: AudienceService, workspace: Workspace
) -> None:
    before = opened(service, workspace, 0.0)
    before.save(COFFEE, "coffee", "Ada", holdout=0.2)
    file = before.export("coffee")
    members, held = (set(each) for each in before.tenant.registry.members("coffee"))
    before.close()
    never = GROUP.among(members)
    assert never - held
    shop = opened(service, workspace, SHARE)
    with pytest.raises(NotThereError, match="control group that lasts"):
        shop.exported(Path(file.path).name)
    assert in_file(shop.export("coffee").path) == members - held - never
    path = workspace.path / "out.csv"
    path.write_text("user_id\n" + "\n".join(sorted(members)))
    done = shop.outcomes.from_file("coffee", path, "Ada")
    assert done.contacted.users == len(members - held - never), "who was left out was not contacted"
    assert done.held_out.users == len(held)
    shop.close()


def test_a_refresh_and_a_combination_keep_it_out(shop: AudienceService) -> None:
    for name, spec in {"coffee": COFFEE, "tea": TEA}.items():
        shop.save(spec, name, "Ada", holdout=0.2)
    shop.combine("or", ["coffee", "tea"], "both", "Ada")
    members, held = (set(each) for each in shop.tenant.registry.members("both"))
    assert GROUP.among(members) <= held
    assert shop.list_audiences()[0].as_of == AS_OF
    assert not in_file(shop.export("both").path) & GROUP.among(members)
