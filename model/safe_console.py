"""Console for text that comes from others: names of files, words of a corpus, model cards, messages of errors.

Control characters in them, which a terminal would obey, are printed as escapes, and so are bytes of file names that are
not text.
"""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from alignment.printable import printable_lines


class SafeConsole(Console):
    """A console that sends no control characters except its own."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render an object to segments."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable_lines(segment.text), segment.style)
