"""What the controls of the page change about an audience, checked before anything is counted."""

from collections.abc import Sequence

from agent.page.words import count
from agent.rules import wording
from encoders.errors import RequestError
from tools.platforms import platform_named
from tools.types import AudienceSpec, SizeEstimate


def demand(spec: AudienceSpec, text: str) -> AudienceSpec:
    """Another sentence.

    Raises:
        RequestError: it is empty or too long.
    """
    if not text.strip():
        raise RequestError("The sentence is empty; say in one sentence whom you want to reach.")
    if len(text) > 2000:
        raise RequestError(f"The sentence has {len(text):,} characters; keep it under 2,000.")
    return spec.model_copy(update={"demand": text.strip()})


def conditions(spec: AudienceSpec) -> list[str]:
    """Each hard condition of an audience in words, so that each can be removed by itself."""
    return wording.each_condition(spec)


def keep_conditions(spec: AudienceSpec, kept: Sequence[str]) -> AudienceSpec:
    """Only those hard conditions whose words are among ``kept``."""
    return wording.keep_conditions(spec, kept)


def cut_to_percent(spec: AudienceSpec, size: SizeEstimate, percent: float) -> AudienceSpec:
    """Keep the best ``percent`` (0..100) of the eligible users; the cut stays where the slider already shows it."""
    if round(100 * size.cut, 1) == round(percent, 1):
        return spec
    return spec.model_copy(update={"cut": min(max(percent / 100, 0.0), 1.0)})


def cut_to_users(spec: AudienceSpec, size: SizeEstimate, users: float | None) -> AudienceSpec:
    """Keep exactly so many of the eligible users.

    Raises:
        RequestError: the number is missing, below one or above the number of eligible users.
    """
    if size.eligible is None:
        raise RequestError("Too few meet the conditions to choose among them; remove a condition first.")
    if users is None or not 1 <= users <= size.eligible:
        raise RequestError(f"Type a number of users between 1 and {count(size.eligible)}.")
    return spec if users == size.users else spec.model_copy(update={"cut": users / size.eligible})


def reopen_request(assumption: str) -> str:
    """What a click on an assumption says to the conversation."""
    return f"Change: {assumption}"


def save_request(name: str, percent: float | None = None) -> str:
    """What a click on Save says to the conversation; ``percent`` are kept back, None says nothing of it."""
    named = " ".join(name.replace('"', "'").split())
    back = "" if percent is None else f", keep {percent:g} % back"
    request = f'Save as "{named}"' if named else "Save this audience"
    return request + back


def export_request(platform: str) -> str:
    """What a click on Export says to the conversation."""
    return f"Export for {platform_named(platform).name}" if platform else "Export as CSV"


def outcome_request(audience: str, file: str) -> str:
    """What an uploaded outcome says to the conversation."""
    return f"How did {audience} go? File {file}"


def like_request(file: str) -> str:
    """What an uploaded list of users says to the conversation."""
    return f"People like these: {file}"
