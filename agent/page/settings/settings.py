"""Language model, tokens, webhooks, destinations and how long things are kept, for the owner of the workspace."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from agent.models.trying import try_model
from agent.page import cards
from agent.page.pieces import done, failed
from agent.page.place import Updates
from agent.page.settings import access, model
from agent.page.settings.layout import TABLE, SettingsLayout
from agent.page.settings.variables import variables_table
from agent.page.state import AppState, sentence
from encoders.errors import RequestError
from encoders.settings import settings
from tools.access.callers import USUAL_LIMIT, Scope
from tools.workers import retention_rules

NONE = "embedded"
"""The setting of the language model where none talks."""
_MESSAGES = 500
"""Messages to webhooks that are looked at for the latest of each."""


class Settings(SettingsLayout):
    """What each control of the place does."""

    path = "settings"

    def wire(self) -> None:
        """Connect every part to what it does."""
        common = self.common
        self.blocks.load(self.on_load, None, **common, concurrency_limit=None)
        self.test.click(self.on_model_test, None, **common)
        token = [self.token_name, self.token_tenant, self.token_scopes, self.token_days, self.token_limit]
        self.token_create.click(self.on_token_create, token, **common)
        self.tokens.select(self.on_tokens, None, **common)
        self.webhook_add.click(self.on_webhook_add, [self.webhook_url, self.webhook_events], **common)
        self.webhooks.select(self.on_webhooks, None, **common)
        self.destination_kind.input(self.on_destination_kind, self.destination_kind, **common)
        destination = [self.destination_kind, self.destination_name, self.destination_url]
        destination += [self.destination_connection, self.destination_place, self.destination_ids]
        self.destination_add.click(self.on_destination_add, destination, **common)
        self.destinations.select(self.on_destinations, None, **common)

    def on_load(self) -> Iterator[Updates]:
        """Show what is there; where the workspace is not open yet, wait for it."""
        here = settings()
        yield {
            self.model: model.model_card(here),
            self.test: gr.update(visible=here.chat_model != NONE),
            self.retention: access.retention(retention_rules(here), here),
            self.variables: variables_table(here),
        }
        try:
            desk = self.opening.desk()
            card = desk.service.describe_data()
        except Exception as error:
            told = sentence(error)
            apart = dict.fromkeys((self.tokens, self.webhooks, self.destinations), failed(told))
            yield {self.notice: cards.notice(told, "alert"), **apart}
            return
        yield {
            self.masthead: cards.masthead(self.path, card, ""),
            self.notice: cards.notice(card.notice, "alert"),
            **self._shown(self.tokens, lambda: _tokens(desk)),
            **self._shown(self.webhooks, lambda: _webhooks(desk)),
            **self._shown(self.destinations, lambda: _destinations(desk)),
        }
        talks = here.chat_model != NONE
        yield self._shown(self.cost, lambda: model.cost(*desk.conversation.usage(), talks))

    def _shown(self, part: gr.HTML, show: Callable[[], str], told: str = "") -> Updates:
        """A part with what ``show`` gives, or with the sentence that says why it gives nothing."""
        try:
            return {part: told + show()}
        except Exception as error:
            return {part: told + failed(sentence(error))}

    # --- the language model -----------------------------------------------------------------------

    def on_model_test(self) -> Iterator[Updates]:
        """One tiny call to the language model."""
        yield {self.tested: cards.notice("Asking it for one word"), self.test: gr.update(interactive=False)}
        try:
            told = model.tried(try_model(settings()))
        except Exception as error:
            told = cards.notice(sentence(error), "alert")
        yield {self.tested: told, self.test: gr.update(interactive=True)}

    # --- tokens -----------------------------------------------------------------------------------

    def on_token_create(
        self, name: str, tenant: str, scopes: list[str], days: float | None, limit: float | None
    ) -> Updates:
        """A token was asked for; it is shown this once."""
        try:
            desk = self.opening.desk()
            token = desk.service.tokens.create(
                name.strip(),
                [Scope(each) for each in scopes if each in set(Scope)],
                tenant.strip(),
                USUAL_LIMIT if limit is None else int(limit),
                None if days is None else int(days),
            )
        except Exception as error:
            return {self.token_told: cards.notice(sentence(error), "alert"), self.token_secret: _hidden()}
        return {
            self.token_told: access.made(f"“{name.strip()}” was made.", "token-secret"),
            self.token_secret: gr.update(value=token, visible=True),
            self.token_name: "",
            **self._shown(self.tokens, lambda: _tokens(desk)),
        }

    def on_tokens(self, event: gr.EventData) -> Updates:
        """A button beside a token was clicked."""

        def act(desk: AppState) -> str:
            if event.act != "revoke":
                return _tokens(desk, event.of if event.act == "ask" else "")
            desk.service.tokens.revoke(event.of)
            return done(f"“{event.of}” opens nothing any more.") + _tokens(desk)

        return self._acted(self.tokens, act, _tokens) | {self.token_secret: _hidden(), self.token_told: ""}

    def _acted(self, part: gr.HTML, act: Callable[[AppState], str], show: Callable[[AppState], str]) -> Updates:
        """A list after a button in it was clicked; where that fails, the sentence stands over what is there."""
        try:
            desk = self.opening.desk()
        except Exception as error:
            return {part: failed(sentence(error))}
        try:
            return {part: act(desk)}
        except Exception as error:
            return self._shown(part, lambda: show(desk), cards.notice(sentence(error), "alert"))

    # --- webhooks ---------------------------------------------------------------------------------

    def on_webhook_add(self, url: str, events: list[str]) -> Updates:
        """An address is to be told."""
        try:
            desk = self.opening.desk()
            added = desk.service.webhooks.add(url, events)
        except Exception as error:
            return {self.webhook_told: cards.notice(sentence(error), "alert"), self.webhook_secret: _hidden()}
        return {
            self.webhook_told: access.made(f"{added.url} is told from now on.", "webhook-secret"),
            self.webhook_secret: gr.update(value=added.secret, visible=True),
            self.webhook_url: "",
            **self._shown(self.webhooks, lambda: _webhooks(desk)),
        }

    def on_webhooks(self, event: gr.EventData) -> Iterator[Updates]:
        """A button beside a webhook was clicked."""
        if event.act == "test":
            yield {self.webhook_told: cards.notice("Sending a test message"), self.webhook_secret: _hidden()}

        def act(desk: AppState) -> str:
            if event.act == "test":
                return _tested(desk, event.of) + _webhooks(desk)
            if event.act != "remove":
                return _webhooks(desk, event.of if event.act == "ask" else "")
            gone = desk.service.webhooks.remove(event.of)
            return done(f"{gone.url} is told nothing more.") + _webhooks(desk)

        shown = self._acted(self.webhooks, act, _webhooks)
        yield shown | {self.webhook_secret: _hidden(), self.webhook_told: ""}

    # --- destinations -----------------------------------------------------------------------------

    def on_destination_kind(self, kind: str) -> Updates:
        """Another kind was chosen: it needs other things."""
        return {
            self.destination_url: gr.update(visible=kind != TABLE),
            self.destination_table: gr.update(visible=kind == TABLE),
        }

    def on_destination_add(self, kind: str, name: str, url: str, connection: str, table: str, ids: bool) -> Updates:
        """A destination of one's own is added."""
        try:
            desk = self.opening.desk()
            there, secret = desk.service.destinations, ""
            if kind == TABLE:
                key = there.add_table(name, connection, table, ids).key
            else:
                added = there.add(name, url)
                key, secret = added.key, added.secret
        except Exception as error:
            return {self.destination_told: cards.notice(sentence(error), "alert"), self.destination_secret: _hidden()}
        ready = f"“{key}” was added; export an audience to it by that name."
        emptied: list[Any] = [self.destination_name, self.destination_url, self.destination_connection]
        return {
            self.destination_told: access.made(ready, "destination-secret") if secret else done(ready),
            self.destination_secret: gr.update(value=secret, visible=True) if secret else _hidden(),
            **dict.fromkeys([*emptied, self.destination_place], ""),
            **self._shown(self.destinations, lambda: _destinations(desk)),
        }

    def on_destinations(self, event: gr.EventData) -> Updates:
        """A button beside a destination was clicked."""

        def act(desk: AppState) -> str:
            if event.act != "remove":
                return _destinations(desk, event.of if event.act == "ask" else "")
            desk.service.destinations.remove(event.of)
            return done(f"“{event.of}” was removed.") + _destinations(desk)

        shown = self._acted(self.destinations, act, _destinations)
        return shown | {self.destination_secret: _hidden(), self.destination_told: ""}


def _tokens(desk: AppState, asked: str = "") -> str:
    there = desk.service.tokens
    return access.tokens(there.list(), there.needed(), asked)


def _webhooks(desk: AppState, asked: str = "") -> str:
    there = desk.service.webhooks
    return access.webhooks(there.subscriptions(), there.deliveries(_MESSAGES), asked)


def _destinations(desk: AppState, asked: str = "") -> str:
    return access.destinations(desk.service.destinations.list(), asked)


def _tested(desk: AppState, webhook: str) -> str:
    url = _named(desk, webhook)
    told, taken = access.tested(url, desk.service.webhooks.test(webhook))
    return done(told) if taken else cards.notice(told, "alert")


def _named(desk: AppState, webhook: str) -> str:
    found: Sequence[str] = [each.url for each in desk.service.webhooks.subscriptions() if each.id == webhook]
    if not found:
        raise RequestError("There is no such webhook any more; load the page again.")
    return found[0]


def _hidden() -> Any:
    """A secret that is gone from the page."""
    return gr.update(value="", visible=False)
