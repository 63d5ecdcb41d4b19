"""Audiences that are kept: listed, saved, combined, exported and measured. Each write happens once for its key."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import Path as PathParameter
from fastapi import Query, Request, Response
from fastapi.responses import FileResponse

from encoders.errors import NotThereError
from tools.campaign_types import CampaignOutcome
from tools.forgetting.erasure import Receipt
from tools.pages import AudiencePage, audience_page
from tools.rest.bodies import Exported, NewAudience, NewCombination, NewErasure, NewExport, NewOutcome
from tools.rest.headers import IdempotencyKey, IfMatch, IfNoneMatch, etag, link_next, may_replace, unless_known
from tools.rest.routes import Cursor, Limit, Named, Resources, Route
from tools.types import SavedAudience

FileName = Annotated[str, PathParameter(max_length=100, description="The 'name' that an export answered.")]
Conversation = Annotated[
    str, PathParameter(min_length=1, max_length=100, description="Its id, as the audit says it.", examples=["0f3a"])
]
OfVersion = Annotated[int | None, Query(ge=1, description="A version of it; the newest without.")]


class Keeping(Resources):
    """Each method answers a route."""

    TAG = "Keep"

    def list_audiences(
        self,
        request: Request,
        response: Response,
        limit: Limit = 20,
        cursor: Cursor = "",
        if_none_match: IfNoneMatch = None,
    ) -> Any:
        """The newest version of every saved audience, by name, a page at a time.

        The header Link names the next page; so does 'next_cursor', which is empty on the last.
        """
        page = audience_page(self.face.service().list_audiences(), limit, cursor)
        link_next(request, response, page.next_cursor)
        return unless_known(page, if_none_match, response)

    def saved(self, audience: Named, response: Response, if_none_match: IfNoneMatch = None) -> Any:
        """A saved audience, in its newest version."""
        return unless_known(self.face.service().saved(audience), if_none_match, response)

    def saved_version(
        self,
        audience: Named,
        version: Annotated[int, PathParameter(ge=1, description="Which version.")],
        response: Response,
        if_none_match: IfNoneMatch = None,
    ) -> Any:
        """One version of a saved audience; it never changes."""
        return unless_known(self.face.service().saved(audience, version), if_none_match, response)

    def save(self, new: NewAudience, key: IdempotencyKey, request: Request, response: Response) -> SavedAudience:
        """Save an audience as a snapshot, with a part of its users held out so that the uplift can be measured.

        A name that exists gets its next version. Size it first, show a person what it is, and ask for a yes.
        """
        service = self.face.service(new.spec, name=new.name)

        def work() -> SavedAudience:
            return service.save(new.spec, new.name, new.approved_by, key, new.holdout)

        return _located(self.face.once(key, request, new, SavedAudience, work), request, response)

    def combine(self, new: NewCombination, key: IdempotencyKey, request: Request, response: Response) -> SavedAudience:
        """Save a new audience made from saved ones."""
        service = self.face.service(name=new.name)

        def work() -> SavedAudience:
            return service.combine(new.operation, new.audiences, new.name, new.approved_by, key)

        return _located(self.face.once(key, request, new, SavedAudience, work), request, response)

    def export(
        self, audience: Named, new: NewExport, key: IdempotencyKey, request: Request, response: Response
    ) -> Exported:
        """Write a saved audience, without its holdout, to a file, with contacts as hashes only.

        Ask a person first: the file holds the ids of single users. 'href' is where it comes down.
        """
        service = self.face.service()

        def work() -> Exported:
            return Exported.of(service.export(audience, new.format, key, new.platform), request.scope["root_path"])

        file = self.face.once(key, request, new, Exported, work)
        service.exported(file.name)  # a repeated request names no file that is gone
        response.headers["Location"] = file.href
        return file

    def exported(self, name: FileName) -> FileResponse:
        """The file of an export."""
        path = self.face.service().exported(name)
        return FileResponse(path, filename=name, headers={"Cache-Control": "private, no-store"})

    def delete_audience(self, audience: Named, if_match: IfMatch = None) -> SavedAudience:
        """Delete a saved audience with all its versions, outcomes and files; its audit lines stay, without members.

        Give the ETag of its newest version in If-Match. Answers with that version as it was.
        """
        service = self.face.service()
        may_replace(etag(service.saved(audience)), if_match)
        return service.delete(audience)

    def delete_export(self, name: FileName) -> Response:
        """Delete the file of an export before it is deleted by itself."""
        self.face.service().delete_export(name)
        return Response(status_code=204)

    def delete_conversation(self, conversation: Conversation) -> Response:
        """Delete a conversation of the page; audiences that were saved in it stay.

        For an admin token without a tenant. Audit lines of the page say its id: 'chat ID'.
        """
        self.face.service().delete_conversation(conversation)
        return Response(status_code=204)

    def forget(self, new: NewErasure) -> Receipt:
        """Erase users from everything in the workspace, in every tenant, and from all data that is prepared later.

        For an admin token without a tenant. It takes a while and cannot be undone; repeated, it goes on where it was
        stopped. The receipt says what was changed, where audiences with them were sent, and what is not ours to change.
        """
        return self.face.service().forget(new.users, new.approved_by)

    def outcome(
        self, audience: Named, response: Response, version: OfVersion = None, if_none_match: IfNoneMatch = None
    ) -> Any:
        """How a saved audience did, as recorded last: responders, uplift over the holdout, and the forecast beside it.

        404 where nothing was recorded yet.
        """
        found = self.face.service().outcomes.last(audience, version)
        if found is None:
            raise NotThereError(f"No outcome of '{audience}' was recorded yet; bring one.")
        return unless_known(found, if_none_match, response)

    def record_outcome(
        self, audience: Named, new: NewOutcome, key: IdempotencyKey, request: Request
    ) -> CampaignOutcome:
        """Record who responded, and answer with the uplift over the holdout and the forecast beside it.

        The same responders are recorded once, whatever the key.
        """
        service = self.face.service()

        def work() -> CampaignOutcome:
            if new.responders_csv is None:
                return service.outcomes.from_data(audience, new.approved_by, new.version)
            with TemporaryDirectory() as folder:
                path = Path(folder) / "responders.csv"
                path.write_text(new.responders_csv, "utf-8")
                kept = service.uploaded(service.keep_upload(path))
            return service.outcomes.from_file(audience, kept, new.approved_by, new.version)

        return self.face.once(key, request, new, CampaignOutcome, work)

    ROUTES = (
        Route("GET", "/audiences", "list_audiences", "List saved audiences", cached=AudiencePage),
        Route("POST", "/audiences", "save", "Save an audience", 201),
        Route("POST", "/combinations", "combine", "Combine saved audiences", 201),
        Route("GET", "/audiences/{audience}", "saved", "Show a saved audience", cached=SavedAudience),
        Route(
            "GET",
            "/audiences/{audience}/versions/{version}",
            "saved_version",
            "Show a version of a saved audience",
            cached=SavedAudience,
        ),
        Route("POST", "/audiences/{audience}/exports", "export", "Export a saved audience", 201, problems=(502,)),
        Route("DELETE", "/audiences/{audience}", "delete_audience", "Delete a saved audience", problems=(412, 428)),
        Route("GET", "/exports/{name}", "exported", "Download an export", file=True),
        Route("DELETE", "/exports/{name}", "delete_export", "Delete an export", 204),
        Route("DELETE", "/conversations/{conversation}", "delete_conversation", "Delete a conversation", 204),
        Route("POST", "/erasures", "forget", "Erase users", 201),
        Route("GET", "/audiences/{audience}/outcome", "outcome", "Show an outcome", cached=CampaignOutcome),
        Route("POST", "/audiences/{audience}/outcome", "record_outcome", "Record an outcome", 201),
    )


def _located(saved: SavedAudience, request: Request, response: Response) -> SavedAudience:
    """Say where an audience that was saved is to be found."""
    root = request.scope["root_path"]
    response.headers["Location"] = f"{root}/audiences/{saved.id}/versions/{saved.version}"
    response.headers["ETag"] = etag(saved)
    return saved
