"""A signal: what its id stands for, and how it stands in an answer."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from datetime import date
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, ConfigDict

from encoders.errors import ModelError, RequestError
from tools.interfaces.adcp.accounts import RateCard
from tools.interfaces.adcp.protocol import LONGEST_SPEC, Form
from tools.naming import NAME_LENGTH, is_audience_id
from tools.service import AudienceService
from tools.types import AudienceSpec, DataCard, Interval, SavedAudience, SizeEstimate

# --- Signals by their ids: saved audiences, and audiences that any sentence stands for ------------
#
# The id of a saved audience is its own id or its name. That of a sentence is the sentence itself, written so that it
# fits into an id; so nothing has to be kept for a signal that nobody activates, and its id means the same for everyone.


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
        named = (each for each in self.saved if not is_audience_id(each.name))
        self._by_id = {each.name.casefold(): each for each in named}
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


# --- A signal as it stands in an answer: who is in it, how many, at what price, and how it was made


_LONGEST_CRITERIA = 500
_WINDOWS = {1: "daily", 7: "weekly", 31: "monthly", 62: "bi_monthly", 92: "quarterly", 183: "bi_annually"}
"""Days, and the shortest window of the protocol that holds them."""
_RESTRICTED = {
    "age": ("age", "birth"),
    "familial_status": ("famil", "household_size", "household_comp", "kid", "child", "marital", "parent"),
}
"""Attributes of people that the protocol restricts, and what their fields in the data are called."""


class Listing:
    """Writes signals down for one caller, in one release of the protocol."""

    def __init__(self, service: AudienceService, card: RateCard, agent_url: str, form: Form) -> None:
        """Look up what is the same for every signal."""
        self._service, self._card, self._url, self._form = service, card, agent_url, form
        self._data = service.describe_data()

    def written(
        self,
        segment: Segment,
        options: list[dict[str, Any]],
        deployments: list[dict[str, Any]],
        fields: tuple[str, ...] | None,
    ) -> dict[str, Any]:
        """The signal, with its prices and where it is in use.

        Args:
            segment: which signal.
            options: its prices.
            deployments: where it is, or could be, in use.
            fields: of the definition, those that are wanted; None for all there are.
        """
        size = sized(segment, self._service)
        forecast = size.all_responders if size else _exactly(segment.saved.users if segment.saved else None)
        signal = self._identity(segment) | {
            "signal_agent_segment_id": segment.id,
            "name": segment.name,
            "description": _description(segment, size, self._data),
            "value_type": "binary",
            "signal_type": "owned",
            "data_provider": self._card.provider,
            "coverage_percentage": round(100 * self._share(forecast.mid), 2) if forecast else 0.0,
            "deployments": deployments,
            "pricing_options": options,
        }
        if not self._form.current:
            return signal
        definition = self._definition(segment)
        wanted = definition.keys() if fields is None else definition.keys() & set(fields)
        coverage = self._coverage(segment, size, forecast) if forecast else {}
        return signal | coverage | {name: definition[name] for name in sorted(wanted)}

    def _identity(self, segment: Segment) -> dict[str, Any]:
        """What the signal is called outside, in the words of the release."""
        identity: dict[str, Any] = {}
        if self._form.legacy:
            identity["signal_id"] = {"source": "agent", "agent_url": self._url, "id": segment.id}
        if self._form.current:
            identity["signal_ref"] = {
                "scope": "signal_source",
                "signal_source_url": self._url,
                "signal_id": segment.id,
            }
        return identity

    def _coverage(self, segment: Segment, size: SizeEstimate | None, forecast: Interval) -> dict[str, Any]:
        """How many will do it, with the interval that holds in 8 of 10 cases, and how many the segment reaches."""
        users = size.users if size else None
        if segment.saved:
            users = None if segment.saved.users is None else segment.saved.users - (segment.saved.holdout or 0)
        bounds = {"low": forecast.low, "mid": forecast.mid, "high": forecast.high}
        point: dict[str, Any] = {
            "label": "will do it",
            "dimensions": [{"kind": "signal", "signal_id": segment.id, "presence": "present", "signal_value": True}],
            "metrics": {
                "coverage_rate": {name: round(self._share(value), 4) for name, value in bounds.items()},
                "audience_size": {name: round(value) for name, value in bounds.items()},
            },
        }
        if users is not None:
            point["metrics"]["reach"] = {"mid": users}
        scope = {"kind": "custom", "label": f"{self._data.unit_plural} active before {self._data.as_of}"}
        return {
            "coverage_forecast": {
                "points": [point],
                "forecast_range_unit": "availability",
                "method": "modeled",
                "scope": scope,
                "bucket_semantics": "exclusive",
                "bucket_completeness": "partial",
            }
        }

    def _definition(self, segment: Segment) -> dict[str, Any]:
        """How the signal was made."""
        card = self._card
        definition: dict[str, Any] = {
            "methodology": "modeled",
            "segmentation_criteria": _criteria(segment),
            "data_sources": list(card.data_sources),
            "lookback_window": _window(min(each.first for each in self._data.sources), self._data.as_of),
            "refresh_cadence": card.refresh_cadence,
            "audience_expansion": False,
            "device_expansion": False,
            "modeling": {
                "method": "embedding",
                "seed_source": {"type": card.seed_source, "provider_signed": False},
                "training_data_jurisdictions": list(card.jurisdictions),
                "ai_act_risk_class": card.risk_class,
            },
        }
        restricted = _restricted(segment.spec) if segment.spec else []
        if restricted:
            definition["restricted_attributes"] = restricted
        if segment.saved:
            definition["last_updated"] = segment.saved.created.isoformat()
        return definition

    def _share(self, users: float) -> float:
        return min(1.0, users / self._data.population) if self._data.population else 0.0


def _exactly(users: int | None) -> Interval | None:
    """A saved audience of which nothing can be forecast still has its users, where they may be counted."""
    return None if users is None else Interval(low=users, mid=users, high=users)


def _criteria(segment: Segment) -> str:
    words = segment.saved.definition if segment.saved else segment.name
    return words if len(words) <= _LONGEST_CRITERIA else f"{words[: _LONGEST_CRITERIA - 3]}..."


def _description(segment: Segment, size: SizeEstimate | None, data: DataCard) -> str:
    """The signal in sentences."""
    parts = [f"{_criteria(segment)}."]
    if segment.saved:
        parts.append(f"Saved as of {segment.saved.as_of}, version {segment.saved.version}.")
    if size is None:
        return " ".join(parts)
    if size.reads_as:
        parts.append(f"Read as: {', '.join(size.reads_as)}.")
    doing = size.all_responders
    if doing is None:
        return " ".join([*parts, *size.warnings])
    parts.append(
        f"Of {size.eligible:,} {data.unit_plural}, about {doing.mid:,.0f} ({doing.low:,.0f} to {doing.high:,.0f} in 8 "
        f"of 10 cases) will do it in the {size.horizon_days} days after {size.as_of}."
    )
    return " ".join([*parts, *size.warnings])


def _restricted(spec: AudienceSpec) -> list[str]:
    """Restricted attributes that its filters read. What a sentence may not aim at was declined before."""
    fields = [each.field.lower() for each in spec.filters]
    return [name for name, words in _RESTRICTED.items() if any(word in field for word in words for field in fields)]


def _window(first: date, last: date) -> str:
    days = (last - first).days
    return next((name for longest, name in _WINDOWS.items() if days <= longest), "annually")
