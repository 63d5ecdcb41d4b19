"""How one operation becomes one route: what every route has at hand, where its arguments come from, how it answers."""

from collections.abc import Callable, Iterator
from inspect import Parameter, Signature
from threading import Lock
from typing import Annotated, Any, TypeVar, get_args

from fastapi import Body, Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Strict, create_model
from pydantic.fields import FieldInfo

from encoders.errors import ModelError, NotThereError, RequestError
from encoders.workspace import Workspace
from tools.access.callers import current
from tools.access.gate import Gate
from tools.interfaces.rest.headers import (
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    etag,
    is_paged,
    link_next,
    may_replace,
    unless_known,
)
from tools.jobs import Job, Jobs
from tools.operations.operation import Check, Effect, Opened, Operation
from tools.service import AudienceService
from tools.types import SavedAudience

# --- What every route has at hand: the service, the check, the gate, the jobs, and answers that are
#     given once ---


Answer = TypeVar("Answer", bound=BaseModel)


class Context:
    """What the routes share."""

    def __init__(self, opened: Opened, check: Check, gate: Gate) -> None:
        """Nothing is opened yet."""
        self.opened, self.check, self._gate = opened, check, gate
        self._lock = Lock()
        self._jobs: Jobs | None = None

    def jobs(self) -> Jobs:
        """The jobs of the workspace that is served."""
        workspace = self.opened().settings.workspace
        with self._lock:
            if self._jobs is None:
                self._jobs = Jobs(Workspace(workspace))
            return self._jobs

    def once(
        self, key: str, request: Request, body: BaseModel, kind: type[Answer], work: Callable[[], Answer]
    ) -> Answer:
        """What ``work`` answers to a request, or what was answered when its key was first used; raises like both."""
        content = f"{request.method} {request.url.path} {body.model_dump_json()}"
        whose = f"{current().tenant}/{current().name}"
        answers = self.jobs().ledger.answers
        before = answers.find(whose, key, content)
        if before is None:
            before = answers.keep(whose, key, content, work().model_dump_json())
        return kind.model_validate_json(before)

    def close(self) -> None:
        """Stop what is at work."""
        with self._lock:
            if self._jobs is not None:
                self._jobs.close()
                self._jobs = None

    def admits(self, operation: Operation) -> Callable[[], Iterator[None]]:
        """A dependency that puts the gate around one operation."""

        def admitted() -> Iterator[None]:
            try:
                with self._gate.admitted(operation.name, operation.scope):
                    yield from _declined_where_it_does_not_fit()
            except _MisfitError as error:
                raise error.why from None

        return admitted


class _MisfitError(RequestError):
    """Tells the gate that a request was declined, and was no bug."""

    def __init__(self, why: Exception) -> None:
        super().__init__(str(why))
        self.why = why


def _declined_where_it_does_not_fit() -> Iterator[None]:
    try:
        yield
    except (RequestValidationError, HTTPException) as why:
        raise _MisfitError(why) from why


# --- How one operation becomes one route: where its arguments come from, and how its answer goes out


_KEY = "key"
_LOOK_AGAIN = 1
"""Seconds after which a job is worth another look."""
_NUMBERS = {int, float, bool}


def add_route(app: FastAPI, operation: Operation, context: Context) -> None:
    """Answer an operation at its path."""
    http = operation.http
    statuses = (*http.problems, *((412, 428) if http.replaces else ()), *((304,) if http.cached else ()))
    more: dict[str, Any] = {"response_class": FileResponse} if http.file else {"response_model": _answers(operation)}
    more |= {"status_code": http.status, "dependencies": [Depends(context.admits(operation))]}
    answer = Endpoint(operation, context).function()
    app.add_api_route(
        http.path,
        answer,
        methods=[http.method],
        summary=operation.title,
        description=_description(operation),
        operation_id=operation.name,
        tags=[http.tag],
        responses={status: {} for status in statuses},
        **more,
    )
    if http.method == "GET":  # what may be got answers HEAD alike, which no description has to say
        app.add_api_route(http.path, answer, methods=["HEAD"], include_in_schema=False, **more)


class Endpoint:
    """Answers one operation over HTTP."""

    def __init__(self, operation: Operation, context: Context) -> None:
        """Share out the fields of the input to path, query, header and body."""
        self._operation, self._http, self._context = operation, operation.http, context
        fields = dict(operation.input.model_fields)
        self._keyed = _is_keyed(operation)
        fields.pop(_KEY, None)
        bare = self._http.method in ("GET", "DELETE")
        self._in_path = {name: fields.pop(name) for name in list(fields) if f"{{{name}}}" in self._http.path}
        self._in_query = {name: fields.pop(name) for name in list(fields) if bare or name in self._http.query}
        self._in_body = fields

    def function(self) -> Any:
        """A function whose parameters say where each argument comes from."""

        def answer(http_request: Request, http_response: Response, **given: Any) -> Any:
            return self._answer(http_request, http_response, given)

        parameters = [_parameter("http_request", Request), _parameter("http_response", Response)]
        for place, fields in ((Path, self._in_path), (Query, self._in_query)):
            parameters += [self._placed(place, name, about) for name, about in fields.items()]
        if self._in_body:
            parameters.append(_parameter("body", self._body()))
        if self._keyed:
            parameters.append(_parameter("idempotency_key", IdempotencyKey))
        if self._http.replaces:
            parameters.append(_parameter("if_match", IfMatch, None))
        if self._http.cached:
            parameters.append(_parameter("if_none_match", IfNoneMatch, None))
        answer.__name__ = self._operation.name
        answer.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        return answer

    def _placed(self, place: Any, name: str, about: FieldInfo) -> Parameter:
        example = self._operation.example
        shown = {"examples": [example[name]]} if name in example else {}
        default = Parameter.empty if about.is_required() else about.default
        there = place(description=about.description, **shown)
        return _parameter(name, Annotated[about.annotation, *about.metadata, there], default)

    def _body(self) -> Any:
        """What is sent: one field alone, or an object of them, whose numbers are numbers and no texts."""
        operation, http = self._operation, self._http
        if http.body:
            about = self._in_body[http.body]
            return Annotated[about.annotation, *about.metadata, Body(examples=[operation.example[http.body]])]
        fields: dict[str, Any] = {}
        for each in operation.parameters:
            if each.name in self._in_body:
                about = self._in_body[each.name]
                number = _NUMBERS & {about.annotation, *get_args(about.annotation)}
                kind = Annotated[each.annotation, Strict()] if number else each.annotation
                fields[each.name] = (kind, ... if about.is_required() else about.default)
        example = {name: operation.example[name] for name in fields if name in operation.example}
        config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [example]})
        model = create_model(operation.input.__name__, __config__=config, **fields)
        model.__doc__ = operation.title
        return model

    # --- answering --------------------------------------------------------------------------------

    def _answer(self, request: Request, response: Response, given: dict[str, Any]) -> Any:
        operation, http = self._operation, self._http
        body, key = given.get("body"), given.get("idempotency_key", "")
        asked = self._input(given, body, key)
        service = operation.allowed(asked, self._context.check, self._context.opened)
        done_now = False

        def work() -> Any:
            nonlocal done_now
            done_now = True
            if http.replaces:
                may_replace(self._tag(service, asked), given.get("if_match"))
            if http.job:
                subject, fixed = http.job(service, asked)
                return self._start(service, subject, fixed)
            handed = {"jobs": self._context.jobs()} if operation.watches_jobs else {}
            found = operation.answer(service, asked, **handed)
            return http.shown(found, request.scope["root_path"]) if http.shown else found

        if self._keyed:
            assert isinstance(body, BaseModel)
            found = self._context.once(key, request, body, Job if http.job else _answers(operation), work)
        else:
            found = work()
        if http.there and not done_now:
            http.there(service, found)
        return self._sent(found, asked, request, response, given.get("if_none_match"))

    def _input(self, given: dict[str, Any], body: Any, key: str) -> BaseModel:
        fields = {name: given[name] for name in (*self._in_path, *self._in_query)}
        if self._http.body:
            fields[self._http.body] = body
        elif self._in_body:
            fields |= {name: getattr(body, name) for name in self._in_body}
        if _KEY in self._operation.input.model_fields:
            fields[_KEY] = key
        return self._operation.input.model_validate(fields)

    def _tag(self, service: AudienceService, asked: BaseModel) -> str | None:
        """The entity tag of what would be replaced or deleted; None where there is nothing to replace."""
        assert self._http.replaces
        try:
            return etag(self._http.replaces(service, **{name: getattr(asked, name) for name in self._in_path}))
        except NotThereError:
            if self._operation.effect is Effect.DELETE:
                raise
            return None
        except ModelError:
            return '""'  # of another model: there is nothing to read before it is replaced, so '*' has to do

    def _start(self, service: AudienceService, subject: str, asked: BaseModel) -> Job:
        name = self._operation.name
        return self._context.jobs().start(
            name, f"{name} {subject}", lambda progress: self._operation.answer(service, asked, progress=progress)
        )

    def _sent(self, found: Any, asked: BaseModel, request: Request, response: Response, known: str | None) -> Any:
        """The answer with the headers that belong to it."""
        root, http = request.scope["root_path"], self._http
        if http.file:
            return FileResponse(found, filename=found.name, headers={"Cache-Control": "private, no-store"})
        if http.status == 204:
            return Response(status_code=204)
        if found is None and http.absent:
            raise NotThereError(http.absent.format_map(asked.model_dump()))
        if http.place:
            response.headers["Location"] = root + http.place.format_map(found.model_dump())
        if isinstance(found, SavedAudience) and http.status == 201:
            response.headers["ETag"] = etag(found)
        if isinstance(found, Job):
            if http.job:
                response.headers["Location"] = f"{root}/jobs/{found.id}"
            if not found.state.ended:
                response.headers["Retry-After"] = str(_LOOK_AGAIN)
        if is_paged(self._operation):
            link_next(request, response, found.next_cursor)
        return unless_known(found, known, response) if http.cached else found


def _is_keyed(operation: Operation) -> bool:
    """Whether a request needs an Idempotency-Key."""
    return operation.http.keyed and operation.effect in (Effect.ADD, Effect.SEND, Effect.REPLACE)


def _description(operation: Operation) -> str:
    """What the operation does, and what the web adds to it."""
    http = operation.http
    added = {
        "Answers with a job; one that is cancelled before its end changes nothing.": http.job,
        "Give the ETag of what is there in If-Match.": http.replaces,
        "404 where there is none.": http.absent,
        "The header Link names the next page.": is_paged(operation),
        "'href' is where the file comes down.": http.shown,
    }
    return "\n\n".join([operation.description, *(words for words, holds in added.items() if holds)])


def _answers(operation: Operation) -> Any:
    """The type of an answer over HTTP."""
    http = operation.http
    if http.job:
        return Job
    if http.shown:
        return Signature.from_callable(http.shown).return_annotation
    if http.absent:
        [found] = {*get_args(operation.output)} - {type(None)}
        return found
    return operation.output


def _parameter(name: str, annotation: Any, default: Any = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
