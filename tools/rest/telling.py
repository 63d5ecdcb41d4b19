"""What becomes of saved audiences meanwhile, where they can be sent, and who is told of it."""

from typing import Annotated

from fastapi import Path, Query

from tools.campaign_types import Drift
from tools.destinations.known import DestinationCard
from tools.rest.bodies import NewWebhook
from tools.rest.routes import Named, Resources, Route
from tools.webhooks.types import Delivery, NewSubscription, Subscription

WebhookId = Annotated[str, Path(max_length=100, description="The 'id' of the webhook.", examples=["wh-0123456789ab"])]
Latest = Annotated[int, Query(ge=1, le=500, description="How many at most, the latest of them.")]


class Telling(Resources):
    """Each method answers a route."""

    TAG = "Tell"

    def drift(self, audience: Named) -> Drift:
        """Whether a saved audience is still what was saved: who would come and leave now, and did its forecast hold.

        'reasons' is empty where it is.
        """
        return self.face.service().drifts.check(audience)

    def destinations(self) -> tuple[DestinationCard, ...]:
        """Where an export can go: ad platforms, systems of one's own, plugins."""
        return self.face.service().destinations.list()

    def webhooks(self) -> tuple[Subscription, ...]:
        """Every webhook, oldest first, without its secret."""
        return self.face.service().webhooks.subscriptions()

    def add_webhook(self, new: NewWebhook) -> NewSubscription:
        """Tell an address of what happens to saved audiences, with signed messages, at least once each.

        The answer has the secret that messages are signed with; it is not shown again. The same address twice is
        turned down.
        """
        return self.face.service().webhooks.add(new.url, new.events)

    def remove_webhook(self, webhook: WebhookId) -> Subscription:
        """Tell an address nothing more; what was waiting for it is given up."""
        return self.face.service().webhooks.remove(webhook)

    def deliveries(self, limit: Latest = 50) -> tuple[Delivery, ...]:
        """The latest messages and what became of each, newest first."""
        return self.face.service().webhooks.deliveries(limit)

    ROUTES = (
        Route("GET", "/audiences/{audience}/drift", "drift", "Check a saved audience for drift"),
        Route("GET", "/destinations", "destinations", "List destinations"),
        Route("GET", "/webhooks", "webhooks", "List webhooks"),
        Route("POST", "/webhooks", "add_webhook", "Add a webhook", 201),
        Route("DELETE", "/webhooks/{webhook}", "remove_webhook", "Remove a webhook"),
        Route("GET", "/deliveries", "deliveries", "List messages to webhooks"),
    )
