"""`audience ask` says what the language model cost, over a real socket."""

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from agent.cli.main import app
from encoders.settings import settings
from tests.agent.agent_doubles import PlantedService
from tests.agent.wire_doubles import Server, step
from tools.service import AudienceService


class Shop(PlantedService):
    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    opened = Server()
    monkeypatch.chdir(tmp_path_factory.mktemp("desk"))
    monkeypatch.setattr(AudienceService, "open", lambda settings: Shop())
    settings.cache_clear()
    yield opened
    settings.cache_clear()
    opened.close()


def ask(**environment: str) -> dict[str, object]:
    result = CliRunner().invoke(app, ["ask", "something for dogs", "--json"], env=environment)
    assert result.exit_code == 0, result.output
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def test_tokens_and_money_are_in_the_json(server: Server) -> None:
    server.script = [step(action="ask", question="Which?", options=["dog food", "cat food"]), step()]
    told = ask(AUDIENCE_CHAT_MODEL="server:tiny", AUDIENCE_CHAT_URL=server.url, AUDIENCE_CHAT_PRICES="1/10")
    assert told["demand"] == "Households that will buy dog food in the next 28 days"
    assert told["usage"] == {"calls": 2, "input_tokens": 200, "output_tokens": 40, "untold": 0, "dollars": 0.0006}


def test_without_a_language_model_there_is_nothing_to_tell(server: Server) -> None:
    assert ask()["usage"] is None
    assert server.asked == []
