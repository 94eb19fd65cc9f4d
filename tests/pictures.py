"""What is wrong with a figure: texts that collide, are cut off, small or pale; faint or like marks.

A root conftest.py has every notebook that pytest executes call `watch`: then `show` refuses.
"""

from collections import defaultdict
from itertools import combinations

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import Collection, PathCollection
from matplotlib.colors import to_hex, to_rgb, to_rgba
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import FancyArrowPatch, Patch
from matplotlib.text import Text
from matplotlib.transforms import TransformedBbox

# A notebook's column is 900 pixels wide, at the 100 to the inch of our figures: what is wider is
# shrunk to that, and its letters with it.
PAGE = 9.0  # inches
SMALLEST = 9.0  # points
# WCAG 2.1, 1.4.3 and 1.4.11, level AA
TEXT_CONTRAST, MARK_CONTRAST = 4.5, 3.0
APART = 20.0  # CIE 1976, in L*a*b*: ten times what is just noticed side by side

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB:
# https://www.inf.ufrgs.br/~oliveira/pubs_files/CVD_Simulation/CVD_Simulation.html
VISIONS = {
    "common vision": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# sRGB (IEC 61966-2-1) to CIE XYZ
WHITE = np.ones(3)
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def faults(figure: Figure) -> list[str]:
    """What is wrong with a figure, a sentence each."""
    return [
        *(f"{a!r} runs into {b!r}" for a, b in overlaps(figure)),
        *(f"{text!r} is cut off" for text in clipped(figure)),
        *(f"{text!r} is {size:.1f} pt at page width" for text, size in small(figure)),
        *(f"{text!r} has contrast {contrast:.1f}" for text, contrast in pale(figure)),
        *(f"{mark} has contrast {contrast:.1f}" for mark, contrast in faint(figure)),
        *(f"{a} and {b} are {d:.0f} apart for {vision}" for a, b, d, vision in merged(figure)),
    ]


def watch() -> None:
    """From now on `show` refuses a figure with a fault, in this process."""
    from labutils import figures  # not before: it is slow to import

    show = figures.show

    def strict_show(figure, alt=None):
        found = faults(figure)
        assert not found, "; ".join(found)
        show(figure, alt)

    figures.show = strict_show


# texts


def overlaps(figure: Figure, tolerance: float = 2.0) -> list[tuple[str, str]]:
    """The pairs of texts in a figure that run into each other, by more than `tolerance` pixels.

    Titles, labels, ticks, legends and annotations all count; what is not drawn does not.
    """
    texts = [(text.get_text(), text.get_window_extent()) for text in drawn_texts(figure)]
    return [
        (first, second)
        for (first, a), (second, b) in combinations(texts, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > tolerance
        and min(a.y1, b.y1) - max(a.y0, b.y0) > tolerance
    ]


def clipped(figure: Figure) -> list[str]:
    """The texts that an axes or the edge of the stored picture cuts off."""
    texts = drawn_texts(figure)
    picture = _stored(figure)
    return [
        text.get_text()
        for text in texts
        if not _inside(text.get_window_extent(), picture)
        or (text.get_clip_on() and not _inside(text.get_window_extent(), text.get_clip_box()))
    ]


def small(figure: Figure) -> list[tuple[str, float]]:
    """The texts under SMALLEST where the picture is as wide as the page allows, with their size."""
    texts = drawn_texts(figure)
    shrunk = min(1, PAGE * figure.dpi / _stored(figure).width)
    sizes = [(text.get_text(), text.get_fontsize() * shrunk) for text in texts]
    return [(text, size) for text, size in sizes if size < SMALLEST]


def pale(figure: Figure) -> list[tuple[str, float]]:
    """The texts that stand out too little from what is behind them, with their contrast.

    Of the pixels behind a text the worst twentieth is let off: a line that runs through is not.
    """
    texts = drawn_texts(figure)
    drawn = _pixels(figure)
    alphas = [text.get_alpha() for text in texts]
    for text in texts:
        text.set_alpha(0)  # the box around it stays
    behind = _pixels(figure)
    for text, alpha in zip(texts, alphas, strict=True):
        text.set_alpha(alpha)
    inked = (drawn != behind).any(-1)
    found = []
    for text in texts:
        box = text.get_window_extent()
        x0, x1, y0, y1 = (max(0, round(edge)) for edge in (box.x0, box.x1, box.y0, box.y1))
        pixels, ink = behind[y0:y1, x0:x1], inked[y0:y1, x0:x1]
        pixels = pixels[ink] if ink.any() else pixels.reshape(-1, 3)
        colour = _over(to_rgba(text.get_color(), text.get_alpha()), pixels)
        if len(pixels):
            found.append((text.get_text(), np.quantile(contrast(colour, pixels), 0.05)))
    return [(text, least) for text, least in found if least < TEXT_CONTRAST]


def drawn_texts(figure: Figure) -> list[Text]:
    """The texts in a figure that can be seen, after the figure is laid out."""
    figure.draw_without_rendering()
    return _drawn(figure)


# marks: lines, points, areas


def faint(figure: Figure) -> list[tuple[str, float]]:
    """The marks that stand out too little from what is behind them, with their contrast.

    An area stands out by its face or its edge, points by their colour where they lie on each other.
    Let off are thin grey lines without a label, which guide the eye, and what cannot be seen.
    """
    marks = [mark for axes in figure.axes for mark in _marks(axes)]
    for mark in marks:
        mark.set_visible(False)
    background = _pixels(figure)
    for mark in marks:
        mark.set_visible(True)
    behind = defaultdict(list)  # of all marks that look the same
    for mark in marks:
        behind[_name(mark), *_look(mark)].append(_beneath(mark, background))
    found = []
    for (name, *look), parts in behind.items():
        if len(pixels := np.concatenate(parts)):
            most = max(np.median(contrast(_over(rgba, pixels), pixels)) for rgba in look)
            found.append((name, most))
    return [(name, most) for name, most in found if 1.02 < most < MARK_CONTRAST]


def merged(figure: Figure) -> list[tuple[str, str, float, str]]:
    """The pairs of marks in one axes that only a colour tells apart, and for whom it does not.

    Lines of another style, points of another shape and hatched areas are told apart without
    colour, and so are marks that texts name: inside, in their colour, or in a box of their colour.
    """
    found = []
    for axes in figure.axes:
        looks = defaultdict(set)
        for mark in _marks(axes):
            if not _named(mark):
                looks[_shape(mark)].add(tuple(to_hex(_over(rgba, WHITE)) for rgba in _look(mark)))
        for alike in looks.values():
            for a, b in combinations(sorted(alike), 2):
                apart = {vision: _distance(a, b, vision) for vision in VISIONS}
                vision = min(apart, key=apart.get)
                if apart[vision] < APART:
                    found.append((" on ".join(a), " on ".join(b), apart[vision], vision))
    return found


def contrast(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The contrast of colours as WCAG defines it, from 1 to 21. a, b: (..., 3), sRGB in [0, 1]."""
    light = [_linear(colours) @ XYZ[1] + 0.05 for colours in (a, b)]
    return np.maximum(*light) / np.minimum(*light)


def lab(colour: str, vision: str) -> np.ndarray:
    """A colour as a kind of vision has it, in CIE 1976 L*a*b* under D65: (3,)."""
    seen = np.clip(VISIONS[vision] @ _linear(to_rgb(colour)), 0, 1)
    x, y, z = np.cbrt(np.maximum(XYZ @ seen / XYZ.sum(1), 1e-4))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _distance(a, b, vision):
    """How far two looks are apart: by face or by edge."""
    return max(np.linalg.norm(lab(x, vision) - lab(y, vision)) for x, y in zip(a, b, strict=True))


def _linear(colours):
    """sRGB without its gamma."""
    colours = np.asarray(colours)
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def _over(rgba, pixels):
    """A colour on others: what is seen."""
    return rgba[3] * np.asarray(rgba[:3]) + (1 - rgba[3]) * pixels


def _marks(axes: Axes) -> list[Artist]:
    """Lines, points and areas that carry meaning: no pictures, no frame, no guides."""
    marks = [*axes.lines, *axes.patches, *axes.collections]
    return [mark for mark in marks if mark.get_visible() and not _maps(mark) and not _guides(mark)]


def _maps(mark):
    """Whether its colours stand for numbers, as in filled contours."""
    lines = isinstance(mark, ContourSet) and not mark.filled
    return isinstance(mark, Collection) and mark.get_array() is not None and not lines


def _guides(mark):
    *rgb, _ = _look(mark)[1]
    unnamed = not mark.get_label() or mark.get_label().startswith("_")
    grey, thin = len(set(rgb)) == 1, np.max(mark.get_linewidth(), initial=0) <= 1
    return unnamed and grey and thin and isinstance(mark, Line2D | FancyArrowPatch)


def _look(mark):
    """Colours of face and edge, RGBA each: twice the same where there is one."""
    if isinstance(mark, Line2D):
        line = mark.get_linestyle() != "None"
        colours = [mark.get_color()] * 2 if line else _marker(mark)
        return [to_rgba(colour, mark.get_alpha()) for colour in colours]
    face, edge = (np.reshape(c, (-1, 4)) for c in (mark.get_facecolor(), mark.get_edgecolor()))
    face, edge = (c[0] if len(c) else (1, 1, 1, 0) for c in (face, edge))
    if isinstance(mark, PathCollection):
        face = (*face[:3], 1)
    if not np.any(mark.get_linewidth()):
        edge = face
    return [tuple(face), tuple(edge)]


def _marker(line):
    edge, filled = line.get_markeredgecolor(), MarkerStyle(line.get_marker()).is_filled()
    return [line.get_markerfacecolor() if filled else edge, edge]


def _shape(mark):
    """What tells it apart without colour."""
    if isinstance(mark, Line2D):
        return "line", mark.get_linestyle(), str(mark.get_marker())
    if isinstance(mark, PathCollection):
        return "points", mark.get_paths()[0].vertices.tobytes()
    return type(mark).__name__, str(mark.get_linestyle()), mark.get_hatch()


def _name(mark):
    label, kind = mark.get_label(), type(mark).__name__
    return (
        repr(label) if label and not label.startswith("_") else f"{kind} {to_hex(_look(mark)[1])}"
    )


def _named(mark):
    """Whether a text stands in an area, or has the mark's colour, or a box of that colour."""
    texts = [text for text in mark.axes.texts if text.get_text().strip()]
    if isinstance(mark, Patch):
        room = mark.get_window_extent()
        return any(_inside(text.get_window_extent(), room) for text in texts)
    boxes = [box for text in texts if (box := text.get_bbox_patch())]
    colours = [*(text.get_color() for text in texts), *(box.get_edgecolor() for box in boxes)]
    return to_hex(_look(mark)[0]) in map(to_hex, colours)


def _beneath(mark, pixels):
    """The pixels (N, 3) of a picture along a mark, where its axes show it."""
    if isinstance(mark, PathCollection):
        places = mark.get_offset_transform().transform(mark.get_offsets())
    else:
        paths = mark.get_paths() if isinstance(mark, Collection) else [mark.get_path()]
        moved = [mark.get_transform().transform_path(path) for path in paths]
        lines = [line for path in moved for line in path.to_polygons(closed_only=False)]
        steps = np.linspace(0, 1, 20)[:, None, None]
        places = [((1 - steps) * line[:-1] + steps * line[1:]).reshape(-1, 2) for line in lines]
        places = np.concatenate(places or [np.empty((0, 2))])
    box, (x, y) = mark.axes.get_window_extent().padded(-2), np.transpose(places)  # not its frame
    shown = (x >= box.x0) & (x < box.x1) & (y >= box.y0) & (y < box.y1)  # NaN is nowhere
    x, y = x[shown].astype(int), y[shown].astype(int)
    return pixels[np.minimum(y, len(pixels) - 1), np.minimum(x, pixels.shape[1] - 1)]


# what both need


def _pixels(figure):
    """The figure as drawn, upwards from its lower edge: (height, width, 3) in [0, 1]."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[::-1, :, :3] / 255


def _stored(figure):
    """What `show` stores of a figure, in its pixels."""
    inches = figure.get_tightbbox().padded(plt.rcParams["savefig.pad_inches"])
    return TransformedBbox(inches, figure.dpi_scale_trans)


def _inside(box, room, tolerance=1):
    return room is None or (
        min(box.x0 - room.x0, box.y0 - room.y0, room.x1 - box.x1, room.y1 - box.y1) > -tolerance
    )


def _drawn(artist: Artist) -> list[Text]:
    """The texts in an artist that can be seen, after it was drawn."""
    if not artist.get_visible():
        return []
    if isinstance(artist, Text):
        return [artist] if artist.get_text().strip() else []
    children = artist.get_children()
    if isinstance(artist, Axes) and not artist.axison:
        children = [child for child in children if not isinstance(child, Axis)]
    if isinstance(artist, Axis):  # it keeps ticks beyond its limits, and does not draw them
        low, high = sorted(artist.get_view_interval())
        ticks = [*artist.get_major_ticks(), *artist.get_minor_ticks()]
        beyond = [tick for tick in ticks if not low <= tick.get_loc() <= high]
        children = [child for child in children if child not in beyond]
    return [text for child in children for text in _drawn(child)]
