"""One tiny call to the language model of the settings, over a real server on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.models.trying import try_model
from encoders.errors import ChatModelError
from encoders.settings import Settings
from tests.agent.wire_doubles import Server, calls, error, said

KEY = "sk-canary"


@pytest.fixture
def server() -> Iterator[Server]:
    opened = Server()
    yield opened
    opened.close()


def told(server: Server, **more: str) -> Settings:
    url = {"chat_model": "server:tiny", "chat_url": server.url, "chat_key": KEY}
    return Settings(workspace=Path("nowhere"), _env_file=None, **(url | more))  # type: ignore[arg-type]


def test_a_model_that_calls_its_tool_is_fit(server: Server) -> None:
    server.script = [calls(("ready", {"word": "yes"}), tokens=(80, 5))]
    found = try_model(told(server, chat_prices="1/2"))
    assert found is not None
    assert found.calls_tools
    assert (found.usage.calls, found.usage.input_tokens, found.usage.output_tokens) == (1, 80, 5)
    assert found.usage.dollars == pytest.approx((80 * 1 + 5 * 2) / 1e6)
    assert found.name.startswith("tiny at ")
    [asked] = server.asked
    assert asked.tools == ("ready",)


def test_a_model_that_only_talks_is_quoted_in_short(server: Server) -> None:
    server.script = [said("yes " * 200)]
    found = try_model(told(server))
    assert found is not None
    assert not found.calls_tools
    assert found.words.startswith("yes yes")
    assert len(found.words) <= 200


def test_why_nothing_came_back_is_one_sentence_without_the_key(server: Server) -> None:
    server.script = [error(401, f"wrong key {KEY}")]
    with pytest.raises(ChatModelError, match="refused the key") as raised:
        try_model(told(server))
    assert KEY not in str(raised.value)


@pytest.mark.slow  # it is asked three times
def test_a_server_that_is_not_there_is_one_sentence(server: Server) -> None:
    with pytest.raises(ChatModelError, match="cannot be reached"):
        try_model(told(server, chat_url="http://127.0.0.1:9/v1"))


def test_nothing_is_asked_where_no_model_talks() -> None:
    assert try_model(Settings(workspace=Path("nowhere"), _env_file=None)) is None
