"""Signals by their ids: saved audiences, and audiences that any sentence stands for.

The id of a saved audience is its own id or its name. That of a sentence is the sentence itself, written so that it
fits into an id; so nothing has to be kept for a signal that nobody activates, and its id means the same for everyone.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from hashlib import sha256

from pydantic import BaseModel, ConfigDict

from encoders.errors import ModelError, RequestError
from tools.interfaces.adcp.requests import LONGEST_SPEC
from tools.service import AudienceService
from tools.storage.registry import NAME_LENGTH
from tools.types import AudienceSpec, SavedAudience, SizeEstimate

_SENTENCE = "sentence-"


class Segment(BaseModel):
    """Something that can be activated: a saved audience, or one that would be."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    spec: AudienceSpec | None
    saved: SavedAudience | None = None


def of_sentence(words: str) -> Segment:
    """The audience that a sentence stands for, whether or not anybody asks for it again."""
    code = urlsafe_b64encode(words.encode()).decode().rstrip("=")
    return Segment(id=f"{_SENTENCE}{code}", name=words, spec=AudienceSpec(demand=words))


def of_saved(saved: SavedAudience) -> Segment:
    """A saved audience, whatever its newest version is."""
    return Segment(id=saved.id, name=saved.name, spec=saved.spec, saved=saved)


def saving_key(segment: Segment) -> str:
    """The idempotency key that a sentence is saved with when it is first activated."""
    return f"signal-{sha256(segment.id.encode()).hexdigest()[:40]}"


def saving_name(segment: Segment) -> str:
    """What the audience of a sentence is called: a name that nobody gives by chance, so it is no version of another."""
    own = f" (signal {sha256(segment.id.encode()).hexdigest()[:12]})"
    return segment.name[: NAME_LENGTH - len(own)].rstrip() + own


def sized(segment: Segment, service: AudienceService) -> SizeEstimate | None:
    """What to expect of a signal; None for a combination, and for one saved in terms that are no longer there.

    Raises:
        RequestError: the sentence of a signal that is not saved cannot be sized.
    """
    if segment.spec is None:
        return None
    try:
        return service.size(segment.spec)
    except (RequestError, ModelError):
        if segment.saved is None:
            raise
        return None


class Segments:
    """The signals of one caller."""

    def __init__(self, service: AudienceService) -> None:
        """Look up what is saved, once."""
        self._service = service
        self.saved = tuple(of_saved(each) for each in service.list_audiences())
        self._by_id = {each.saved.name.casefold(): each for each in self.saved if each.saved}
        self._by_id |= {each.saved.id: each for each in self.saved if each.saved}

    def find(self, id_: str) -> Segment | None:
        """The signal of that id or name; None where the caller has none.

        A sentence that was activated before is what was saved then.
        """
        name = " ".join(id_.split())
        if found := self._by_id.get(name) or self._by_id.get(name.casefold()):
            return found
        segment = _sentence(id_)
        if segment is None:
            return None
        saved = self._service.deployments.saved_with(saving_key(segment))
        if saved is None:  # keys are forgotten after a while, names are not
            return self._by_id.get(saving_name(segment).casefold(), segment)
        return of_saved(saved)


def _sentence(id_: str) -> Segment | None:
    """The sentence an id was made from; None for other ids."""
    if not id_.startswith(_SENTENCE):
        return None
    code = id_.removeprefix(_SENTENCE)
    try:
        words = urlsafe_b64decode(code + "=" * (-len(code) % 4)).decode()
    except (Error, ValueError):
        return None
    tidy = " ".join(words.split())
    return (
        of_sentence(words)
        if 0 < len(words) <= LONGEST_SPEC and tidy == words and of_sentence(words).id == id_
        else None
    )
