"""Which texts of a figure run into each other."""

from itertools import combinations

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text


def overlaps(figure: Figure, tolerance: float = 2.0) -> list[tuple[str, str]]:
    """The pairs of texts in a figure that run into each other, by more than `tolerance` pixels.

    Titles, labels, ticks, legends and annotations all count; what is not drawn does not.
    """
    figure.canvas.draw()
    texts = [(text.get_text(), text.get_window_extent()) for text in _drawn_texts(figure)]
    return [
        (first, second)
        for (first, a), (second, b) in combinations(texts, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > tolerance
        and min(a.y1, b.y1) - max(a.y0, b.y0) > tolerance
    ]


def _drawn_texts(artist: Artist) -> list[Text]:
    """The texts in an artist that can be seen, after it was drawn."""
    if not artist.get_visible():
        return []
    if isinstance(artist, Text) and artist.get_text().strip():
        return [artist]
    children = artist.get_children()
    if isinstance(artist, Axes) and not artist.axison:
        children = [child for child in children if not isinstance(child, Axis)]
    if isinstance(artist, Axis):  # it keeps ticks beyond its limits, and does not draw them
        low, high = sorted(artist.get_view_interval())
        ticks = [*artist.get_major_ticks(), *artist.get_minor_ticks()]
        beyond = [tick for tick in ticks if not low <= tick.get_loc() <= high]
        children = [child for child in children if child not in beyond]
    return [text for child in children for text in _drawn_texts(child)]
