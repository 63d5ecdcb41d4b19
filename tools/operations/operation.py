"""What an operation is: the row that every interface is generated from."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from inspect import Parameter, Signature, getdoc, signature
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from tools.access.callers import Scope
from tools.operations.inputs import Guarded
from tools.types import AudienceSpec, named

if TYPE_CHECKING:
    from tools.service import AudienceService


Opened = Callable[[], "AudienceService"]
"""Gives the service, or raises an AudienceError that says why it is not there (yet)."""
Check = Callable[[AudienceSpec], None]
"""Raises an AudienceError where an audience may not be asked for."""

_HANDED = frozenset({"progress", "jobs"})
"""Parameters of ``run`` that an interface fills and no caller: where the work tells how far it is, and the jobs."""


class Effect(StrEnum):
    """What a call changes, in the words of the documentation."""

    READ = "nothing"
    ADD = "adds"
    SEND = "adds, sends"
    """Other systems may hear of it."""
    REPLACE = "replaces"
    DELETE = "deletes"

    @property
    def destructive(self) -> bool:
        """Whether something that was there before is gone afterwards."""
        return self in (Effect.REPLACE, Effect.DELETE)


class Interface(StrEnum):
    """Where operations are offered."""

    MCP = "MCP"
    REST = "REST"
    LANGCHAIN = "LangChain"


@dataclass(frozen=True)
class Http:
    """How one operation goes over HTTP.

    A field of the input is a path parameter where the path names it, the header Idempotency-Key where it is called
    'key', and a query parameter where ``query`` names it or nothing is sent with the method; the others are the body.
    """

    method: str
    path: str
    status: int = 200
    body: str = ""
    """The one field that is the body; empty: the body is an object of fields."""
    query: tuple[str, ...] = ()
    cached: bool = False
    """The answer has an entity tag, and may be 304 instead."""
    keyed: bool = True
    """What adds or replaces takes an Idempotency-Key; False where the operation itself turns down a repetition."""
    replaces: Callable[..., BaseModel] | None = None
    """The operation that shows what is replaced or deleted; its entity tag has to be in If-Match."""
    job: Callable[["AudienceService", Any], tuple[str, Any]] | None = None
    """Done as a job, which is the answer: gives what the job is done to, and the input it is done with."""
    shown: Callable[[Any, str], BaseModel] | None = None
    """Gives the answer as a caller from elsewhere needs it, from the answer and the address of the resources."""
    place: str = ""
    """Where what was made is to be found, filled with fields of the answer."""
    there: Callable[["AudienceService", Any], object] | None = None
    """Raises where what an earlier call with the same key made is gone meanwhile, or may not be given out any more."""
    absent: str = ""
    """What a 404 says where the answer is null."""
    file: bool = False
    """The answer is a file and no JSON."""
    tag: str = "Look"
    """Under which heading of the description it stands."""
    problems: tuple[int, ...] = ()
    """Statuses of problems beyond those that any operation may have."""


@dataclass(frozen=True)
class Operation:
    """One row: what is asked, by whom, what it changes, and what of that differs by interface.

    Name, description, arguments and answer are those of ``run``, whose docstring is what a person or a model reads,
    and whose first parameter is the service.
    """

    run: Callable[..., Any]
    title: str
    scope: Scope
    http: Http
    example: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of one call, for the documentation and the tests."""
    effect: Effect = Effect.READ
    not_over: Mapping[Interface, str] = field(default_factory=dict)
    """Interfaces that do not offer it, and why."""

    @property
    def name(self) -> str:
        """What it is called everywhere, in audit lines too."""
        return self.run.__name__

    @cached_property
    def description(self) -> str:
        """What it does, for whoever decides whether to call it."""
        return getdoc(self.run) or ""

    @property
    def summary(self) -> str:
        """The first sentence of it."""
        return self.description.partition("\n")[0]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The arguments, which an interface passes by name."""
        _, *given = signature(self.run).parameters.values()
        return tuple(each.replace(kind=Parameter.KEYWORD_ONLY) for each in given if each.name not in _HANDED)

    def says(self, argument: str) -> str:
        """What is said of an argument; empty for nothing."""
        given = next(each for each in self.parameters if each.name == argument)
        about = (each for each in get_args(given.annotation) if isinstance(each, FieldInfo))
        return next((each.description or "" for each in about), "")

    @cached_property
    def input(self) -> type[BaseModel]:
        """The arguments as a model, which allows no others."""
        fields: dict[str, Any] = {
            each.name: (each.annotation, ... if each.default is Parameter.empty else each.default)
            for each in self.parameters
        }
        words = "".join(each.capitalize() for each in self.name.split("_"))
        return create_model(f"{words}Input", __config__=ConfigDict(extra="forbid", frozen=True), **fields)

    @cached_property
    def output(self) -> Any:
        """The type of the answer."""
        return signature(self.run).return_annotation

    @cached_property
    def takes_long(self) -> bool:
        """Whether it tells how far it is."""
        return "progress" in signature(self.run).parameters

    @cached_property
    def needs_approval(self) -> bool:
        """Whether a person has to say yes to it: it keeps what others rely on, or something leaves or is deleted."""
        deletes = self.effect is Effect.DELETE and not self.watches_jobs
        return "approved_by" in self.input.model_fields or self.effect is Effect.SEND or deletes

    @cached_property
    def watches_jobs(self) -> bool:
        """Whether it is about jobs, which the interface that runs them hands in."""
        return "jobs" in signature(self.run).parameters

    def signature(self, *more: Parameter) -> Signature:
        """How a function looks that takes the arguments, and ``more`` of the interface."""
        return Signature([*more, *self.parameters], return_annotation=self.output)

    def allowed(self, given: BaseModel, check: Check, opened: Opened, asks_a_person: bool = False) -> "AudienceService":
        """The service, once every audience in the input, and every text that others will read, is seen to be allowed.

        Args:
            given: the input.
            check: raises where an audience may not be asked for.
            opened: gives the service.
            asks_a_person: whether the interface puts the question to a person before anything is done.

        Raises:
            AudienceError: one of them is not, or the service is not there.
        """
        for spec in self._specs(given):
            check(spec)
        service = opened()
        if self.needs_approval and not asks_a_person:
            service.check_may_approve()
        return service

    def answer(self, service: "AudienceService", given: BaseModel, **handed: Any) -> Any:
        """What the service answers to an input."""
        return self.run(service, **{name: getattr(given, name) for name in type(given).model_fields}, **handed)

    def _specs(self, given: BaseModel) -> Iterator[AudienceSpec]:
        values = {name: getattr(given, name) for name in type(given).model_fields}
        for value in values.values():
            yield from (each for each in _each(value) if isinstance(each, AudienceSpec))
        for guarded in Guarded:
            for name, about in type(given).model_fields.items():
                if guarded in about.metadata and values[name]:
                    yield from named(values[name])


def _each(value: Any) -> tuple[Any, ...] | list[Any]:
    return value if isinstance(value, tuple | list) else [value]


def misfit(error: ValidationError) -> str:
    """What does not fit, argument by argument, in one sentence."""
    found = error.errors(include_url=False, include_input=False, include_context=False)[:5]
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found) + "."
