"""What takes a while: tuning and refreshing are taken on as jobs, which are watched and cancelled here."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request, Response

from encoders.errors import ModelError, NotThereError
from tools.pages import RefreshDay
from tools.rest.bodies import NewRefresh, NewTuned
from tools.rest.headers import IdempotencyKey, IfMatch, IfNoneMatch, etag, may_replace, unless_known
from tools.rest.jobs import Work
from tools.rest.ledger import Job, JobPage
from tools.rest.routes import Cursor, Limit, Named, Resources, Route
from tools.service import AudienceService
from tools.types import AudienceSpec, TunedSummary

DemandName = Annotated[
    str, Path(min_length=1, max_length=60, description="What 'like' in a spec calls it.", examples=["regulars"])
]
JobId = Annotated[str, Path(max_length=100, description="The 'id' of the job.")]
_LOOK_AGAIN = 1
"""Seconds after which a job is worth another look."""


class Working(Resources):
    """Each method answers a route."""

    TAG = "Work"

    def tuned(self, name: DemandName, response: Response, if_none_match: IfNoneMatch = None) -> Any:
        """What is kept under the name of a tuned demand; a spec uses it with 'like' and with this 'demand'."""
        return unless_known(self.face.service().tuned(name), if_none_match, response)

    def tune(
        self,
        name: DemandName,
        new: NewTuned,
        key: IdempotencyKey,
        request: Request,
        response: Response,
        if_match: IfMatch = None,
    ) -> Job:
        """Fit a demand to a few users who are known to be meant, to find more like them.

        Answers with a job. An earlier demand of that name is replaced when the job is done; give its ETag.
        """
        specs = () if new.demand is None else (AudienceSpec(demand=new.demand),)
        service = self.face.service(*specs, name=name)

        def start() -> Job:
            may_replace(_tag(service, name), if_match)
            return self._start(
                "tune",
                name.casefold().replace(" ", "-"),
                lambda progress: service.tune(name, new.demand, new.seeds, progress),
            )

        return self._taken_on(self.face.once(key, request, new, Job, start), request, response)

    def refresh_day(
        self,
        audience: Named,
        as_of: Annotated[date | None, Query(description="Another day than the one the data set names.")] = None,
    ) -> RefreshDay:
        """The day a refresh would save an audience at; a problem says why it cannot be refreshed."""
        return RefreshDay(day=self.face.service().refresh_day(audience, as_of))

    def refresh(
        self, audience: Named, new: NewRefresh, key: IdempotencyKey, request: Request, response: Response
    ) -> Job:
        """Save the same spec again as of a later day, as its next version, and say who came and who left.

        Answers with a job; cancelled before it has saved, it saves nothing.
        """
        service = self.face.service()

        def start() -> Job:
            saved, _ = service.saved(audience), service.refresh_day(audience, new.as_of)
            return self._start(
                "refresh",
                saved.id,
                lambda progress: service.refresh(saved.id, new.approved_by, new.as_of, key, progress),
            )

        return self._taken_on(self.face.once(key, request, new, Job, start), request, response)

    def list_jobs(self, limit: Limit = 20, cursor: Cursor = "") -> JobPage:
        """The jobs that you asked for, newest first, a page at a time; an admin sees those of the tenant."""
        return self.face.jobs().page(limit, cursor)

    def job(self, job: JobId, response: Response) -> Job:
        """Where a job stands, and once it has ended, what it gave or why it gave nothing."""
        return _watched(self.face.jobs().job(job), response)

    def cancel(self, job: JobId, response: Response) -> Job:
        """Have a job end; one that is at work stops at the next point where nothing is lost.

        The answer says where it stands now: a job that has ended stays as it is.
        """
        return _watched(self.face.jobs().cancel(job), response)

    def _start(self, kind: Literal["tune", "refresh"], subject: str, work: Work) -> Job:
        return self.face.jobs().start(kind, f"{kind} {subject}", work)

    def _taken_on(self, job: Job, request: Request, response: Response) -> Job:
        response.headers["Location"] = f"{request.scope['root_path']}/jobs/{job.id}"
        return _watched(job, response)

    ROUTES = (
        Route("GET", "/demands/{name}", "tuned", "Show a tuned demand", cached=TunedSummary),
        Route("PUT", "/demands/{name}", "tune", "Tune a demand to known users", 202, problems=(412, 428)),
        Route("GET", "/audiences/{audience}/refresh-day", "refresh_day", "Show the day of a refresh"),
        Route("POST", "/audiences/{audience}/refreshes", "refresh", "Refresh a saved audience", 202),
        Route("GET", "/jobs", "list_jobs", "List jobs"),
        Route("GET", "/jobs/{job}", "job", "Watch a job"),
        Route("DELETE", "/jobs/{job}", "cancel", "Cancel a job"),
    )


def _watched(job: Job, response: Response) -> Job:
    """Say when to look again, while there is more to come."""
    if not job.state.ended:
        response.headers["Retry-After"] = str(_LOOK_AGAIN)
    return job


def _tag(service: AudienceService, name: str) -> str | None:
    """The entity tag of a tuned demand; None where there is none."""
    try:
        return etag(service.tuned(name))
    except NotThereError:
        return None
    except ModelError:
        return '""'  # of another model: there is nothing to read before it is replaced, so '*' has to do
