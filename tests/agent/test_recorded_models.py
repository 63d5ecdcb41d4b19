"""A recorded model is replayed: what it called is still offered, and makes the audience that it made.

The files of ``recorded`` were written by ``audience models record`` over a loopback server. The answers of
``strong_shop.jsonl`` (the demo data) and ``strong_film.jsonl`` (films) are those of a large language model; those of
``scripted_reader.jsonl`` were written by hand.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import tools.service
from agent.batch import Recorded
from agent.cli.main import app
from agent.conversation import Conversation
from agent.models.chat import RULES
from agent.steps import DECIDE
from encoders.settings import Settings
from encoders.text.demand import without_witness
from tests.agent.agent_doubles import GROUPS, PlantedService, ScriptedModel
from tests.agent.wire_doubles import Server, calls, step


def recorded_in(file: str) -> list[Recorded]:
    path = Path(__file__).parent / "recorded" / file
    return [Recorded.model_validate_json(line) for line in path.read_text("utf-8").splitlines()]


SCRIPTED, STRONG, STRONG_FILM = map(recorded_in, ("scripted_reader.jsonl", "strong_shop.jsonl", "strong_film.jsonl"))
RECORDED = [each for each in (*SCRIPTED, *STRONG) if each.answers]
"""The guard declines the others before a model hears of them."""
NAMED = {
    group: (f"{group}: everyday",)
    for each in RECORDED
    for answer in each.answers
    for call in answer.calls
    for group in call.arguments.get("groups", ())
}


def replayed(recorded: Recorded) -> ScriptedModel:
    """A model that says and calls once more what was recorded."""
    lines = [[(call.name, call.arguments) for call in answer.calls] or answer.text for answer in recorded.answers]
    return ScriptedModel(script=lines)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: each.id)
def test_what_a_model_called_makes_the_audience_that_it_made(recorded: Recorded, workspace: Settings) -> None:
    model = replayed(recorded)
    talk = Conversation(PlantedService(GROUPS | NAMED), workspace, model=model)
    reply = talk.say("t", recorded.request)
    while reply.question:
        reply = talk.say("t", DECIDE)
    talk.close()
    assert "built-in rules" not in reply.text
    assert len(model.asked) == len(recorded.answers)
    made, recorded_then = reply.draft.spec if reply.draft else None, recorded.spec
    # The planted service has no reader, of whose doubt the request's own words in a demand come.
    demands = [without_witness(each.demand)[0] if each else None for each in (made, recorded_then)]
    assert demands[0] == demands[1]
    assert not any("Invalid" in message.text or "not a valid tool" in message.text for message in model.asked[-1])


def test_the_recorded_requests_are_ten_and_their_tokens_were_counted() -> None:
    assert len(SCRIPTED) == 10
    assert all(each.usage and each.usage.input_tokens for each in SCRIPTED)
    assert sum(each.spec is not None for each in SCRIPTED) == 9


def test_a_strong_model_looked_before_it_proposed_and_was_within_its_budget() -> None:
    proposed = [each for each in (*STRONG, *STRONG_FILM) if each.spec is not None]
    assert (len(STRONG), len(STRONG_FILM), len(proposed)) == (36, 14, 47)
    for each in proposed:
        called = [call.name for answer in each.answers for call in answer.calls]
        assert {"search", "browse"} & set(called), each.id
        assert called[-1] == "propose", each.id
        assert each.usage is not None
        assert each.usage.calls <= 4, each.id


# --- the command -------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Server]:
    opened = Server()
    yield opened
    opened.close()


@pytest.fixture
def here(tmp_path: Path, service: PlantedService, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace that the planted service answers for."""
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setattr(tools.service.AudienceService, "open", lambda settings: service)
    (tmp_path / "requests.jsonl").write_text('{"id": "a", "request": "for puppies", "items": []}\n\n', "utf-8")
    return tmp_path


def run(here: Path, settings: pytest.MonkeyPatch, **values: str) -> Result:
    from encoders.settings import settings as current

    for name, value in values.items():
        settings.setenv(f"AUDIENCE_CHAT_{name.upper()}", value)
    current.cache_clear()
    files = ["--requests", str(here / "requests.jsonl"), "--out", str(here / "out.jsonl")]
    result = CliRunner().invoke(app, ["models", "record", *files])
    current.cache_clear()
    return result


def test_the_command_writes_a_line_a_request(here: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.script = [calls(("search", {"words": ["dogs"]}), text="Let me look."), step()]
    done = run(here, monkeypatch, model="server:tiny", url=server.url)
    assert done.exit_code == 0, done.output
    (line,) = (here / "out.jsonl").read_text("utf-8").splitlines()
    recorded = Recorded.model_validate_json(line)
    assert (recorded.id, recorded.request) == ("a", "for puppies")
    assert [[call.name for call in each.calls] for each in recorded.answers] == [["search"], ["propose"]]
    assert recorded.answers[0].text == "Let me look."
    assert recorded.answers[0].calls[0].arguments == {"words": ["dogs"]}
    assert recorded.spec is not None
    assert recorded.usage is not None
    assert recorded.usage.calls == 2


def test_without_a_language_model_there_is_nothing_to_record(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(here, monkeypatch, model="embedded")
    assert done.exit_code != 0
    assert not (here / "out.jsonl").exists()
    assert RULES not in done.output


def test_a_line_that_is_no_request_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "requests.jsonl").write_text(json.dumps({"id": "a"}), "utf-8")
    done = run(here, monkeypatch, model="embedded")
    assert done.exit_code != 0
    assert not (here / "out.jsonl").exists()
