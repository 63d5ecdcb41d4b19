"""The settings of the whole project: environment variables with the prefix AUDIENCE_, or a .env file."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """One field, one decision a user may want to take differently."""

    model_config = SettingsConfigDict(env_prefix="AUDIENCE_", env_file=".env", extra="ignore")

    workspace: Path = Field(Path("workspace"), description="folder that holds everything the project writes")
    text_encoder: str = Field(
        "use+minilm",
        description="'use' (multilingual), 'minilm' (English), a sentence-transformers name or path, or several joined "
        "by +, the one that knows most languages first",
    )
    lora_rank: int = Field(
        0, ge=0, description="rank of the adapter that the text encoder is trained with (16 is usual); 0 for none"
    )
    seed: int = Field(7, description="seed of every random choice")
    minimum_size: int = Field(50, ge=1, description="counts of fewer users are withheld, and they are not exported")
    show_ids: bool = Field(False, description="whether the owner and admins see users by their ids instead of masks")
    holdout: float = Field(0.1, ge=0, lt=1, description="share of a saved audience that is held out")
    control: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="share of all users who are never contacted: a control group that lasts, the same for every "
        "audience; it counts among those who are held out",
    )
    retention_days: int = Field(
        90, ge=1, description="days after which uploads, conversations, jobs, messages and used keys are deleted"
    )
    undo_days: int = Field(
        7, ge=0, le=365, description="days for which a deleted audience can be brought back; 0: it is gone at once"
    )
    chroma_url: str = Field("", description="a Chroma server (http://host:port) instead of the folder in the workspace")
    chat_model: str = Field(
        "embedded",
        description="'embedded', 'openai:NAME', 'server:NAME' (with chat_url), 'local:NAME', or a provider that "
        "LangChain knows, such as 'anthropic:NAME'",
    )
    chat_url: str = Field("", description="base URL of an OpenAI-compatible server")
    chat_key: SecretStr = Field(SecretStr(""), description="key for that server, OpenAI or another provider")
    chat_prices: str = Field(
        "", description="dollars per million tokens read/written, such as 0.15/0.60; empty: the page shows tokens alone"
    )
    chat_calls: int = Field(10, ge=2, description="requests to the language model that one turn may take")
    chat_tokens: int = Field(40_000, ge=1000, description="tokens, read and written, that one turn may take")
    chat_seconds: float = Field(120, gt=0, description="seconds after which a turn sends the model no further request")
    rate_card: Path | None = Field(
        None, description="TOML file with the prices of signals and what their provider says of them"
    )
    trace: str = Field("", description="OTLP address (gRPC) that traces are sent to, such as http://127.0.0.1:4317")
    trace_texts: bool = Field(False, description="whether traces hold the texts of people and the ids of users")
    host: str = Field("127.0.0.1", description="address the app listens on")
    approval: Literal["named", "person"] = Field(
        "named",
        description="what a token needs to save, record, send or delete: 'named', the name of who said yes; 'person', "
        "that person's own yes, which a client asks for over MCP",
    )
    toolsets: str = Field(
        "all",
        description="the tools that agents are shown over MCP unless they ask for others: 'core', 'campaign', 'adcp', "
        "several with commas between, or 'all'",
    )
    hosts: str = Field(
        "",
        description="further names this app is reached by, on a public address or through a proxy, with commas "
        "between, such as https://audience.example.com",
    )
    retrain: Literal["say", "train"] = Field(
        "say",
        description="what 'audience nightly' does where the model no longer keeps what it promised: 'say' so, or "
        "'train' another one",
    )
    watch_seconds: float = Field(
        10,
        ge=0,
        description="seconds between two looks of a running app for newer data or a newer model, which it then opens; "
        "0: it opens them on SIGHUP or when 'reopen' is asked for",
    )
    port: int = Field(7860, ge=0, le=65535, description="port the app listens on")


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Read the environment once per process."""
    return Settings()
