"""Operations that keep, write, send or delete something: the docstring of each is what callers read."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from encoders.checksums import sha256_of
from encoders.errors import NotThereError
from encoders.workspace import Progress, silent
from tools.jobs import Job, JobPage
from tools.operation_types import (
    EVENTS,
    CampaignOutcome,
    Delivery,
    Exported,
    NewSubscription,
    Receipt,
    Refreshed,
    Reopened,
    Subscription,
)
from tools.operations import inputs
from tools.types import ExportFile, SavedAudience, TunedSummary

if TYPE_CHECKING:
    from tools.jobs import Jobs
    from tools.service import AudienceService


def save(
    service: "AudienceService",
    spec: inputs.Spec,
    name: inputs.NewName,
    approved_by: inputs.ApprovedBy,
    key: inputs.Key,
    holdout: inputs.Holdout = None,
) -> SavedAudience:
    """Save an audience as a snapshot, with a part held out so that the uplift can be measured.

    Size it first, show the person what it is, and ask for a yes.
    """
    return service.save(spec, name, approved_by, key, holdout)


def combine(
    service: "AudienceService",
    operation: inputs.Combining,
    audiences: inputs.SavedNames,
    name: inputs.NewName,
    approved_by: inputs.ApprovedBy,
    key: inputs.Key,
) -> SavedAudience:
    """Save a new audience made from saved ones; 'combined_users' says beforehand how many it would have."""
    return service.combine(operation, audiences, name, approved_by, key)


def export(
    service: "AudienceService",
    audience: inputs.AudienceName,
    key: inputs.Key,
    format: inputs.Format = "csv",
    platform: inputs.Platform = "",
) -> ExportFile:
    """Write a saved audience, without its holdout, to a file in the workspace, and send it if a destination is named.

    Contacts leave as hashes only. The answer says where the file is. Ask the person before you
    call: the file holds the ids of single users, and what was sent cannot be taken back.
    """
    return service.export(audience, format, key, platform)


def still_exported(service: "AudienceService", file: Exported) -> None:
    """See that what was answered about an export is still true of its file, before it is answered again.

    Raises:
        NotThereError: the file is gone or another one now, or somebody in it may not be reached any more.
    """
    if sha256_of(service.exported(file.name)) != file.sha256:
        raise NotThereError(
            f"The file '{file.name}' is no longer the one of this key: somebody was erased from it, or the audience "
            "was exported again; export it with a new key."
        )


def exported(service: "AudienceService", name: inputs.FileName) -> Path:
    """The file of an export."""
    return service.exported(name)


def record_outcome(
    service: "AudienceService",
    audience: inputs.AudienceName,
    approved_by: inputs.ApprovedBy,
    responders_csv: inputs.Responders = None,
    version: inputs.Version = None,
) -> CampaignOutcome:
    """Record who responded, and answer with the uplift over the holdout and the forecast beside it.

    The same responders are recorded once, however often they are brought.
    """
    if responders_csv is None:
        return service.outcomes.from_data(audience, approved_by, version)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "responders.csv"
        path.write_text(responders_csv, "utf-8")
        kept = service.uploaded(service.keep_upload(path))
    return service.outcomes.from_file(audience, kept, approved_by, version)


def tune(
    service: "AudienceService",
    name: inputs.NewTunedName,
    seeds: inputs.Seeds,
    demand: inputs.FirstDemand = None,
    progress: Progress = silent,
) -> TunedSummary:
    """Fit a demand to a few users who are known to be meant, to find more like them. It takes a while.

    An earlier one of that name is replaced. A spec uses it with 'like' set to its name and the 'demand' answered.
    """
    return service.tune(name, demand, seeds, progress)


def tuned_alone(_: "AudienceService", given: Any) -> tuple[str, Any]:
    """What a job that tunes works on: the name as it is kept."""
    return given.name.casefold().replace(" ", "-"), given


def refresh(
    service: "AudienceService",
    audience: inputs.AudienceName,
    approved_by: inputs.ApprovedBy,
    key: inputs.Key,
    as_of: inputs.Day = None,
    progress: Progress = silent,
) -> Refreshed:
    """Save an audience again as of a later day, as its next version, and say who came and who left.

    It may take a while. 'refresh_day' says beforehand which day that is, or why it cannot be done.
    """
    return service.refresh(audience, approved_by, as_of, key, progress)


def refreshed_alone(service: "AudienceService", given: Any) -> tuple[str, Any]:
    """What a job that refreshes works on: the id, for the name may change meanwhile; raises where it cannot be done."""
    audience = service.saved(given.audience).id
    service.refresh_day(given.audience, given.as_of)
    return audience, given.model_copy(update={"audience": audience})


def reopen(service: "AudienceService") -> Reopened:
    """Have the running program answer from the newest data, model and index from now on, as a whole.

    It looks for them by itself every few seconds; this waits until they are open. Calls that are being answered end on
    the version they began with. Where there is nothing newer, nothing changes.
    """
    return service.reopen()


def list_jobs(_: "AudienceService", jobs: "Jobs", limit: inputs.Limit = 20, cursor: inputs.Cursor = "") -> JobPage:
    """The jobs that you asked for, newest first, a page at a time; an admin sees those of the tenant."""
    return jobs.page(limit, cursor)


def job(_: "AudienceService", jobs: "Jobs", job: inputs.JobId) -> Job:
    """Where a job stands, and once it has ended, what it gave or why it gave nothing."""
    return jobs.job(job)


def cancel(_: "AudienceService", jobs: "Jobs", job: inputs.JobId) -> Job:
    """Have a job end; one that is at work stops at the next point where nothing is lost.

    The answer says where it stands now: a job that has ended stays as it is.
    """
    return jobs.cancel(job)


def rename(
    service: "AudienceService", audience: inputs.AudienceName, name: inputs.FreeName, approved_by: inputs.ApprovedBy
) -> SavedAudience:
    """Give a saved audience another name; its versions, files and outcomes stay, and conditions on it follow."""
    return service.rename(audience, name, approved_by)


def archive(service: "AudienceService", audience: inputs.AudienceName, approved_by: inputs.ApprovedBy) -> SavedAudience:
    """Put a saved audience away: it is neither listed, refreshed nor exported until 'take_back'. Nothing is lost."""
    return service.archive(audience, approved_by)


def take_back(
    service: "AudienceService", audience: inputs.AudienceName, approved_by: inputs.ApprovedBy
) -> SavedAudience:
    """Have an archived audience among the others again."""
    return service.take_back(audience, approved_by)


# --- what is to be gone ---------------------------------------------------------------------------


def delete_audience(service: "AudienceService", audience: inputs.AudienceName) -> SavedAudience:
    """Delete a saved audience with all its versions, outcomes and files; its audit lines stay, without members.

    Ask the person before you call. For some days (AUDIENCE_UNDO_DAYS), 'restore' brings it back by its id, without its
    files. Answers with its newest version as it was.
    """
    return service.delete(audience)


def restore(
    service: "AudienceService",
    audience: inputs.DeletedId,
    approved_by: inputs.ApprovedBy,
    name: inputs.AnotherName = None,
) -> SavedAudience:
    """Bring a deleted audience back, with all its versions and outcomes, but without its files.

    'deleted_audiences' lists what can be brought back. Where another audience has its name by now, give a new one.
    """
    return service.restore(audience, approved_by, name or "")


def delete_export(service: "AudienceService", name: inputs.FileName) -> None:
    """Delete the file of an export before it is deleted by itself."""
    service.delete_export(name)


def delete_conversation(service: "AudienceService", conversation: inputs.Conversation) -> None:
    """Delete a conversation of the page; audiences that were saved in it stay.

    For an admin token without a tenant. Audit lines of the page say its id: 'chat ID'.
    """
    service.delete_conversation(conversation)


def forget(service: "AudienceService", users: inputs.UserIds, approved_by: inputs.ApprovedBy) -> Receipt:
    """Erase users from everything in the workspace, in every tenant, and from all data that is prepared later.

    For an admin token without a tenant. It takes a while and cannot be undone; repeated, it goes on where it was
    stopped. The receipt says what was changed, where audiences with them were sent, and what is not ours to change.
    """
    return service.forget(users, approved_by)


# --- who is told ----------------------------------------------------------------------------------


def webhooks(service: "AudienceService") -> tuple[Subscription, ...]:
    """Every webhook, oldest first, without its secret."""
    return service.webhooks.subscriptions()


def add_webhook(service: "AudienceService", url: inputs.Address, events: inputs.Events = EVENTS) -> NewSubscription:
    """Tell an address of what happens to saved audiences, and show the secret of its messages, this once.

    Every message is signed with the secret and sent at least once. The same address twice is turned down.
    """
    return service.webhooks.add(url, events)


def remove_webhook(service: "AudienceService", webhook: inputs.WebhookId) -> Subscription:
    """Tell an address nothing more; what was waiting for it is given up."""
    return service.webhooks.remove(webhook)


def deliveries(service: "AudienceService", limit: inputs.Latest = 50) -> tuple[Delivery, ...]:
    """The latest messages to webhooks and what became of each, newest first."""
    return service.webhooks.deliveries(limit)
