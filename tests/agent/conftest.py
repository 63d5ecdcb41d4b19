from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.conversation import Conversation
from encoders.settings import Settings
from tests.agent.agent_doubles import COFFEE, PlantedService, spec


@pytest.fixture
def service() -> PlantedService:
    return PlantedService()


@pytest.fixture
def workspace(tmp_path: Path) -> Settings:
    return Settings(workspace=tmp_path, _env_file=None)


@pytest.fixture
def talk(service: PlantedService, workspace: Settings) -> Iterator[Conversation]:
    conversation = Conversation(service, workspace)
    yield conversation
    conversation.close()


@pytest.fixture
def coffee(talk: Conversation) -> Conversation:
    """A conversation in whose thread "t" an audience for coffee stands."""
    assert spec(talk.say("t", "coffee drinkers")).demand == COFFEE
    return talk
