"""Destinations of other packages, by their entry points; one that is broken is told of and breaks nothing else."""

from importlib.metadata import EntryPoint, entry_points

from encoders.errors import DestinationError
from tools.destinations.protocol import GROUP, Destination


def plugins() -> dict[str, EntryPoint]:
    """Every plugin by the name it is asked for, in lower case; nothing of it is loaded."""
    return {each.name.strip().lower(): each for each in entry_points(group=GROUP)}


def load(plugin: EntryPoint) -> Destination:
    """The destination that a plugin makes.

    Raises:
        DestinationError: it makes none; the text names the package and what is wrong with it.
    """
    try:
        made = plugin.load()()
    except (Exception, SystemExit) as error:
        raise _broken(plugin, f"{type(error).__name__}: {error}") from error
    if not isinstance(made, Destination) or not callable(made.send):
        raise _broken(plugin, "it has no name, batch_size and send")
    if not isinstance(made.name, str) or not isinstance(made.batch_size, int) or made.batch_size < 1:
        raise _broken(plugin, "its name has to be a text and its batch_size a number above 0")
    return made


def _broken(plugin: EntryPoint, why: str) -> DestinationError:
    package = plugin.dist.name if plugin.dist else plugin.value
    return DestinationError(
        f"The destination '{plugin.name}' of the package {package} cannot be used ({why[:300]}); update or remove that "
        "package."
    )
