"""AudienceService: everything an agent, a page or a protocol may do with audiences."""

from collections.abc import Mapping
from contextlib import closing
from datetime import date
from functools import cached_property
from typing import Any

from encoders.errors import NotAllowedError, NotThereError, RequestError
from encoders.predictor import Forecaster
from encoders.reader import WholeReading
from encoders.settings import Settings
from encoders.workspace import Progress, Workspace, silent
from tools.access.callers import Caller, mark_data
from tools.access.issuing import IssuedTokens
from tools.audiences.catalogue import Learning, ReaderService
from tools.audiences.data_report import DataReport
from tools.audiences.knowledge import Knowledge
from tools.audiences.population import Population
from tools.audiences.quality import ModelFigures, model_card, model_figures, quality
from tools.library import AudienceLibrary
from tools.operation_types import ModelCard, Refreshed, Reopened
from tools.queries import checked_words
from tools.serving import Serving
from tools.storage.indexing import Version, open_forecaster, version_of
from tools.tenants import Tenant, Tenants
from tools.types import DataCard


class AudienceService(AudienceLibrary):
    """One data set, one model, one as-of date; safe to use from several threads.

    ``tools.queries`` has what is asked about audiences as they would be, ``tools.saved_audiences`` what is done with
    those that are saved, ``tools.library`` what they were, where they are in use, and how they are put away.
    """

    def __init__(self, settings: Settings, workspace: Workspace, forecaster: Forecaster) -> None:
        """Serve a forecaster, to the owner of the workspace; use ``open`` unless one is at hand."""
        self._workspace, self._tenants = workspace, Tenants(workspace, forecaster)
        self._reading = ReaderService(workspace, forecaster, settings.seed)
        super().__init__(
            settings, Population(forecaster, settings.minimum_size, workspace.mask_key()), self._tenants.named("")
        )

    @classmethod
    def open(cls, settings: Settings, as_of: date | None = None) -> "AudienceService":
        """Load the workspace named in the settings.

        Raises:
            AudienceError: there is no data or model yet; the text says which command makes it.
        """
        workspace = Workspace(settings.workspace)
        forecaster = open_forecaster(workspace, settings, as_of)
        _ = forecaster.user_vectors  # mapped, or computed before anybody asks
        service = cls(settings, workspace, forecaster)
        service._reading.load()
        return service

    def of(self, caller: Caller) -> "AudienceService":
        """The same service as one caller sees it: the saved audiences, tuned demands and files of their tenant."""
        seen = object.__new__(AudienceService)
        seen._workspace, seen._tenants, seen._reading = self._workspace, self._tenants, self._reading
        seen.serving = self.serving
        AudienceLibrary.__init__(seen, self.settings, self._population, self._tenants.named(caller.tenant), caller)
        self.serving.lend(seen)
        mark_data(self._forecaster.dataset.card.version)
        return seen

    def describe_data(self) -> DataCard:
        """What the data has; the notice says so where newer data was prepared since it was opened."""
        return super().describe_data().model_copy(update={"notice": self._newer_data()})

    @property
    def version(self) -> Version:
        """The data, the model and the day that it answers from, as long as it is open."""
        return version_of(self._forecaster)

    @cached_property
    def serving(self) -> Serving:
        """Who holds it open, and who is asking it right now; shared by all who see it."""
        return Serving()

    def reopen(self) -> Reopened:
        """Have the program that serves it go on with the newest data, model and index, as a whole.

        Whoever is being answered is answered to the end from what they began with, and so does this very object.

        Raises:
            RequestError: no server holds it; whoever opened it opens it again.
            AudienceError: what is newer cannot be opened; the text says what helps, and everything stays as it is.
        """
        if self.serving.reopen is None:
            raise RequestError("No server holds this data open; a program that opened it by itself opens it again.")
        return self.serving.reopen()

    def quality(self) -> str:
        """How good the forecasts are: what was measured when the model was trained, in words.

        Raises:
            NotThereError: the model has no report.
        """
        card = self.describe_data()
        return quality(self._workspace.models_folder / card.model_version, card.unit)

    def model_figures(self) -> ModelFigures:
        """What the model was made from, and what was measured of it when it was trained, in figures.

        Raises:
            NotThereError: the model has no report.
        """
        return model_figures(self._workspace.models_folder / self.describe_data().model_version)

    def data_report(self) -> DataReport:
        """What was read when the data was prepared; reads every event when it is asked for first.

        Raises:
            NotAllowedError: the caller may not read small numbers.
        """
        if not self._disclosure.exact:
            raise NotAllowedError("What was read is told in exact numbers, so it needs the scope 'admin'.")
        return self._population.report_for(self._disclosure)

    @property
    def knowledge(self) -> Knowledge:
        """What phrases stand for: the glossary of the workspace, which its owner may change, and what comes along."""
        renewed = self._population.size.cache_clear
        return Knowledge(self._workspace, self._reading, self._owns, self._note, renewed)

    @property
    def tokens(self) -> IssuedTokens:
        """The tokens of the workspace.

        Raises:
            NotAllowedError: the caller is not the owner of the workspace.
        """
        if not self._owns:
            raise NotAllowedError("Tokens are the owner's, so this needs an admin token without a tenant.")
        return IssuedTokens(self._workspace.tokens, self._note)

    def model_card(self, version: str = "") -> ModelCard:
        """The card of a model: the one that answers, or another one that is there.

        Raises:
            NotThereError: there is no such model, or it has no report.
        """
        folders = {folder.name: folder for folder in self._workspace.models()}
        here = self.version.model
        chosen = version or here
        if chosen not in folders:
            raise NotThereError(f"There is no model '{chosen[:60]}'; there are {', '.join(folders) or 'none'}.")
        text = model_card(folders[chosen])
        return ModelCard(model_version=chosen, answers=chosen == here, versions=tuple(folders), card=text)

    def read(self, text: str) -> WholeReading | None:
        """What a whole request means in the data: groups, single items, and the knowledge they were found by.

        None while the reader is being learned in the background.

        Raises:
            RequestError: the text is too long.
            DataError: the glossary of the workspace cannot be read.
        """
        return self._reading.read(checked_words(text))

    def spelled(self, text: str) -> str:
        """The text with its mistyped words put right by those of the data and of the knowledge."""
        return self._reading.spelled(text)

    def begin_to_read(self) -> None:
        """Have the reader ready soon: loaded or trained in the background, while requests are read without it."""
        self._reading.begin()

    @property
    def learning(self) -> Learning | None:
        """What the reader is still doing in the background; None: nothing."""
        return self._reading.learning

    @property
    def reading(self) -> ReaderService:
        """What reads whole requests, for measuring; whoever wants one read asks the service."""
        return self._reading

    def learn_to_read(self, progress: Progress = silent) -> None:
        """Have the reader ready: loaded, or, where the workspace has none yet, trained in about a minute.

        Raises:
            DataError: the glossary of the workspace cannot be read.
        """
        self._reading.open(progress)

    def _newer_data(self) -> str:
        """One sentence where the workspace has newer data than this service answers from; else nothing.

        A service stays with the data, the model and the index that it opened: their rows and names belong together. A
        server takes another one instead, see ``tools.serving``.
        """
        opened, current = self._forecaster.dataset.folder, self._workspace.data
        if current == opened or self._workspace.data_folder not in (opened, opened.parent):
            return ""
        version, failed = self._forecaster.dataset.card.version, self.serving.failed
        if failed:
            return f"Newer data was prepared and cannot be opened; these answers are from version {version}. {failed}"
        until = "it is opened, as soon as it is whole" if self.serving.reopen else "the program is started again"
        return f"Newer data was prepared; these answers are from version {version} until {until}."

    @property
    def _owns(self) -> bool:
        """Whether the caller is the owner of the workspace."""
        return self._exact and not self._caller.tenant

    def _note(self, action: str, details: Mapping[str, Any]) -> None:
        """Write an audit line about something that is no audience."""
        self._registry.record(self._caller.name, action, details=dict(details))

    def close(self) -> None:
        """Let go of the registries, those of all tenants, and stop learning to read."""
        self._reading.close()
        self._tenants.close()

    def refresh(
        self,
        audience: str,
        approved_by: str,
        as_of: date | None = None,
        key: str = "",
        progress: Progress = silent,
    ) -> Refreshed:
        """Save the same spec as of a later day, as the next version; who stays, stays on their side of the holdout.

        Where ``progress`` raises, nothing is saved.

        Raises:
            RequestError: there is no such audience, or the day is not after its own or after the end of the data.
            AudienceError: there is no model for that day; the text says which command makes one.
        """
        done = self._registry.saved_with(key)
        before = self._registry.get(done.id, done.version - 1) if done else self._registry.get(audience)
        day = done.as_of if done else self.refresh_day(audience, as_of)
        if day == self._population.as_of:
            return self._refresh(before, approved_by, key, progress)
        progress(f"Looking at the data as of {day}")
        with closing(AudienceService.open(self.settings, day)) as later:
            return later.of(self._caller)._refresh(before, approved_by, key, progress)

    @property
    def forecaster(self) -> Forecaster:
        """What scores the users, for measuring; whoever wants audiences asks the service."""
        return self._forecaster

    @property
    def population(self) -> Population:
        """The users as nobody below admin sees them, for measuring."""
        return self._population

    @property
    def tenant(self) -> Tenant:
        """The saved audiences and files of the caller's tenant as they lie there, for measuring."""
        return self._tenant
