import json
from pathlib import Path

import pytest

import benchmarks.evaluate
import benchmarks.forecasts.run
from benchmarks.forecasts.judging import AHEAD, AUC, ECE
from benchmarks.forecasts.references import references
from benchmarks.forecasts.report import Report
from benchmarks.forecasts.run import evaluate
from benchmarks.forecasts.study import OURS
from benchmarks.forecasts.tables import calibration_lines, main_table, section_table, summary, tables
from benchmarks.forecasts.tasks.few_shot import ALIKE, SEEDS, TUNED, UNTUNED
from encoders.data.events import Dataset
from encoders.errors import DataError
from encoders.settings import settings
from encoders.workspace import Workspace
from tests.planted import SMALL_RECIPE, TINY_RECIPE, world_settings

SEEDED = [f"few-shot: {seeds} seeds" for seeds in SEEDS]
HASTY = "ours, hardly trained"
COFFEE = {
    "id": "coffee",
    "kind": "paraphrase",
    "sentence": "who needs beans for the espresso machine?",
    "all_of": [{"level": "group", "topics": ["coffee"]}],
    "template": "households that will buy coffee",
}


@pytest.fixture(scope="module")
def report(world_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Report:
    lines = tmp_path_factory.mktemp("wording") / "planted.jsonl"
    lines.write_text(json.dumps(COFFEE))
    files: dict[str, Path] = {"planted": lines}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmarks.forecasts.run, "wording_file", files.__getitem__)
        variants = ((OURS, SMALL_RECIPE), (HASTY, TINY_RECIPE))
        return evaluate(world_workspace, world_settings(world_workspace.path), variants=variants)


def test_every_scorer_has_its_row_and_ours_is_told_only_the_sentence(report: Report) -> None:
    names = [*(each.name for each in references()), OURS, HASTY]
    assert [section.name for section in report.sections] == [
        "demands",
        "first-time",
        "held-out",
        "wording: template",
        "wording: paraphrase",
        *SEEDED,
    ]
    for section in report.sections[: -len(SEEDED)]:
        assert [row.scorer for row in section.rows] == names
        assert [row.told for row in section.rows[-2:]] == ["sentence", "sentence"]
    assert report.ours == OURS
    assert 0 < report.sections[2].demands < report.sections[0].demands


def test_users_who_are_given_stand_beside_the_sentence_of_the_first_variant(report: Report) -> None:
    heading, *rows = dict(tables(report))["AUC where some users are given who did it lately"]
    few = report.section(SEEDED[0])
    assert few
    assert heading == ("scorer", "told", *(f"{seeds} seeds ({few.demands})" for seeds in SEEDS))
    assert [row[0] for row in rows] == [row.scorer for row in few.rows]
    assert {row[0] for row in rows} >= {UNTUNED, TUNED, ALIKE}
    figure = few.figure(TUNED, AUC)
    assert figure
    assert next(row[2] for row in rows if row[0] == TUNED) == f"{figure.value:.3f}"


def test_figures_lie_in_their_intervals(report: Report) -> None:
    for section in report.sections:
        for row in section.rows:
            for column, figure in row.figures.items():
                assert figure.low <= figure.value <= figure.high, (section.name, row.scorer, column)
    error = report.sections[0].figure(OURS, ECE)
    assert error
    assert 0 <= error.value < 0.2


def test_in_the_planted_world_ours_beats_those_who_do_not_count(report: Report) -> None:
    demands = report.sections[0]
    for name in ("activity", "profile text (MiniLM)", HASTY):
        ahead = demands.figure(name, AHEAD)
        assert ahead
        assert ahead.low > 0, name


def test_the_report_survives_json(report: Report) -> None:
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_the_benchmark_leaves_no_model_behind_for_the_app(report: Report, world_workspace: Workspace) -> None:
    assert report.model_version.startswith("benchmark-")
    assert all(report.model_version not in folder.name for folder in world_workspace.models())


def test_the_tables_say_what_the_report_says(report: Report) -> None:
    heading, *rows = main_table(report)
    assert [row[0] for row in rows] == [row.scorer for row in report.sections[0].rows]
    figure = report.sections[0].figure(OURS, AUC)
    assert figure
    ours = next(row for row in rows if row[0] == OURS)
    assert ours[heading.index("AUC")] == f"{figure.value:.3f}"
    assert f"AUC {figure.value:.3f}" in summary(report)
    assert [title for title, _ in tables(report)] == [
        "All demands",
        "AUC by wording",
        "AUC where some users are given who did it lately",
    ]
    for table in (*(table for _, table in tables(report)), *(section_table(each) for each in report.sections)):
        assert {len(row) for row in table} == {len(table[0])}
    assert len(calibration_lines(report)) == 3, "one for all demands, one for each kind of wording"


def test_the_command_shows_every_table_or_all_of_it_in_json(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(benchmarks.evaluate, "evaluate_forecasts", lambda *arguments: report)
    settings.cache_clear()
    benchmarks.evaluate.evaluate()
    shown = capsys.readouterr().out
    for title, table in tables(report):
        assert title in shown
        assert all(cell in shown for row in table for cell in row)
    assert all(line in shown for line in calibration_lines(report))
    benchmarks.evaluate.evaluate(as_json=True)
    settings.cache_clear()
    assert Report.model_validate_json(capsys.readouterr().out) == report


def test_a_horizon_that_is_not_over_is_told(world_workspace: Workspace) -> None:
    dataset = Dataset(world_workspace.data)
    with pytest.raises(DataError, match="not over in this data"):
        evaluate(world_workspace, world_settings(world_workspace.path), dataset.card.last)
