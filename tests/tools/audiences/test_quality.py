"""The report of a model, as figures and as words."""

import json
from pathlib import Path

import pytest

from encoders.errors import NotThereError
from tools.audiences.quality import model_figures, quality
from tools.service import AudienceService

REPORT = {
    "model_version": "m1",
    "data_name": "shop",
    "data_version": "d1",
    "as_of": "2017-10-01",
    "seed": 7,
    "horizon_days": 28,
}
FIGURES = {
    "calibration_error": 0.0031,
    "responders_close": 0.78,
    "interval_coverage": 0.8,
    "interval_coverage_of_one": 0.79,
    "labels": 101.0,
}


def written(folder: Path, **more: object) -> Path:
    (folder / "report.json").write_text(json.dumps(REPORT | more), "utf-8")
    return folder


def test_what_was_measured_is_told_by_kind_of_demand(service: AudienceService) -> None:
    whole, *kinds = service.model_figures().measured
    assert whole.kind == "all"
    assert whole.demands
    by_name = {each.kind: each for each in kinds}
    assert "two things at once" in by_name
    assert set(by_name) & {"one thing by its name", "one thing in other words", "another source"}
    of_one = [each.demands or 0 for each in kinds if each.kind != "two things at once"]
    assert sum(of_one) <= whole.demands
    for each in kinds:
        assert each.coverage is not None
        assert 0 <= each.coverage <= 1


def test_a_report_of_an_earlier_version_tells_what_it_has(tmp_path: Path) -> None:
    card = model_figures(written(tmp_path, calibration=FIGURES))
    assert [(each.kind, each.demands, each.coverage) for each in card.measured] == [
        ("all", 50, 0.8),
        ("one thing", None, 0.79),
    ]
    assert "Measured on 50 demands" in quality(tmp_path, "household")


def test_a_model_that_was_not_measured_says_so(tmp_path: Path) -> None:
    assert model_figures(written(tmp_path)).measured == ()
    assert quality(tmp_path, "household").endswith("Its forecasts were not measured.")


@pytest.mark.parametrize("text", [None, "{", "[]", '{"seed": 7}'])
def test_a_report_that_is_gone_or_none_is_one_sentence(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "report.json").write_text(text, "utf-8")
    with pytest.raises(NotThereError, match="has no report; 'audience train' writes one"):
        model_figures(tmp_path)
