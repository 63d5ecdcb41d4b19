"""What was forecast, and what then happened."""

from agent.page import cards
from agent.page.place import Place, Updates, html
from agent.page.state import sentence


class Results(Place):
    """The place with that."""

    title = "Results"
    path = "results"

    def lay_out(self) -> None:
        """Make the parts."""
        self.head = html(cards.place_head(self.title, "What was forecast, and what then happened."))

    def wire(self) -> None:
        """Connect every part to what it does."""
        self.blocks.load(self.on_load, None, **self.common, concurrency_limit=None)

    def on_load(self) -> Updates:
        """Show what is there; where the workspace is not open yet, wait for it."""
        try:
            card = self.opening.desk().service.describe_data()
        except Exception as error:
            return {self.notice: cards.notice(sentence(error), "alert")}
        return {
            self.masthead: cards.masthead(self.path, card, ""),
            self.notice: cards.notice(card.notice, "alert"),
            self.about: cards.about(card, ""),
        }
