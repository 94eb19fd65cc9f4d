"""The exercises of notebook 06: a file from a density, and what cannot be one."""

from labutils.exercises.kinds import Choice, Exercise

import torch


def decode(number, chain):
    low, width, before, pixels = 0.0, 1.0, 0, []
    for given in chain.tolist():
        of_zero = width * (1 - given[before])
        before = int(number >= low + of_zero)
        if before:
            low, width = low + of_zero, width - of_zero
        else:
            width = of_zero
        pixels.append(before)
    return torch.tensor(pixels)


def walk(
    number,
    chain,
    zero=lambda p: 1 - p,
    keep=lambda one, low, width, zero: (low + zero, width - zero) if one else (low, zero),
    pixel=int,
    context=lambda pixels: pixels[-1],
    split=lambda low, width, of_zero: low + of_zero,
):
    """A decoder with a fault: another probability of a 0, part kept, comparison, row or split."""
    low, width, pixels = 0.0, 1.0, [0]  # before the first pixel there is a 0
    for given in chain.tolist():
        of_zero = width * zero(given[context(pixels)])
        one = pixel(number >= split(low, width, of_zero))
        low, width = keep(one, low, width, of_zero)
        pixels.append(one)
    return torch.tensor(pixels[1:])


def number_and_chain(draw):
    """Mostly a number on the split of pixel 8, which no decoder has to round."""
    number, chain = draw.uniform(), 0.05 + 0.4 * draw.uniform(12, 2)
    if draw.integers(0, 4):
        number, width, before = 0.0, 1.0, 0
        for d in range(9):
            one, kept = 1 if d == 8 else draw.integers(0, 2), 1 / draw.choice((2, 4))
            chain[d, before] = kept if one else 1 - kept
            number, width, before = number + one * width * (1 - kept), width * kept, one
    return number, chain


SWAPPED = (
    "The parts are exchanged: it takes the lower one for a 1. The encoder put the 0 there.",
    "A number below low + width * (1 - p) is a 0.",
)
NOT_NARROWED = (
    "Every pixel is read from the same interval: the first decision is taken again and again.",
    "After each pixel, go on with the part that was kept: its lower end and its width.",
)
LOW_LOST = (
    "After a 1 the number is compared with a place outside the part that was kept: the lower end "
    "of that part is left out, stays, or moves the wrong way.",
    "After a 1 low is where the upper part starts, and the next split is at low + of_zero.",
)
FORGETFUL = (
    "The same column of chain is used at each pixel: the model's memory of the pixel before is "
    "lost, and with it the encoder's split.",
    "Index the row of chain with the pixel just decoded.",
)

EXERCISES = {
    "arithmetic_decoder": Exercise(
        "6.2",
        decode,
        inputs=number_and_chain,
        mistakes={
            "walk(number, chain, lambda p: p, pixel=lambda above: 1 - above)": SWAPPED,
            "1 - walk(number, chain, lambda p: p, context=lambda pixels: 1 - pixels[-1] "
            "if len(pixels) > 1 else 0)": SWAPPED,
            "walk(number, chain, lambda p: p)": (
                "The lower part gets the probability of a 1.",
                "chain holds the probability that a pixel is 1; the lower part is for 0.",
            ),
            "walk(number, chain, keep=lambda one, low, width, zero: (low, width))": NOT_NARROWED,
            "walk(number, chain, keep=lambda one, low, width, zero: "
            "(low + zero if one else low, width))": (
                "The lower end moves, but the width stays: from the second pixel on the parts are "
                "larger than the encoder's.",
                "The width becomes that of the part that was kept.",
            ),
            "walk(number, chain, keep=lambda one, low, width, zero: "
            "(low, width - zero if one else zero))": LOW_LOST,
            "walk(number, chain, keep=lambda one, low, width, zero: "
            "(zero, width - zero) if one else (low, zero))": LOW_LOST,
            "walk(number, chain, keep=lambda one, low, width, zero: "
            "(low + zero, zero) if one else (low, zero))": (
                "A 1 leaves the width of the 0's part.",
                "The upper part has the width width - of_zero.",
            ),
            "walk(number, chain, split=lambda low, width, zero: (low + zero) * (1 + 1e-15))": (
                "A number on a split is read as a 0.",
                "The lower end belongs to an interval: low is where the upper part starts.",
            ),
            "walk(number, chain, context=lambda pixels: 0)": FORGETFUL,
            "walk(number, chain, context=lambda pixels: 1)": FORGETFUL,
            "walk(number, chain, context=lambda pixels: 1 - pixels[-1])": (
                "It looks up the opposite of the pixel before.",
                "chain[d, j] is for the case that the pixel before is j.",
            ),
            "(number >= 1 - chain[:, 0]).long()": NOT_NARROWED,
            "walk(number, chain, split=lambda low, width, zero: low + width / 2)": (
                "The number is compared with the middle of the interval.",
                "The encoder splits in the proportion of p(0) and p(1).",
            ),
            "walk(number, chain, keep=lambda one, low, high, zero: "
            "(low + zero, high) if one else (low, low + zero))": (
                "The upper end is taken for the width: they differ as soon as low is not 0.",
                "Keep low and width, or split low + (high - low) * (1 - p).",
            ),
            "walk(number, chain, keep=lambda one, low, width, zero: "
            "(low, zero) if one else (low + zero, width - zero))": (
                "The pixel is right, but the other part is kept.",
                "Where the number lies is the part to go on with.",
            ),
            "walk(number, chain, context=lambda pixels: pixels[max(0, len(pixels) - 2)])": (
                "The column of chain is that of the pixel before the one before.",
                "What was just decoded chooses the column for the next pixel.",
            ),
            "walk(number, chain, context=lambda pixels: pixels[-1] if len(pixels) > 1 else 1)": (
                "The first pixel is read as if a 1 came before it.",
                "Before the first pixel there is a 0.",
            ),
            "(chain[:, 0] > 0.5).long()": (
                "The most probable image is read, whatever the number is.",
                "Compare the number with the place where the interval is split.",
            ),
            "decode(number, chain).flip(0)": (
                "The pixels come out last to first.",
                "Append each pixel at the end.",
            ),
        },
    ),
    "cannot_decode": Choice(
        "6.2",
        "C",
        mistakes={
            "A": (
                "A network by the chain rule was decoded in this section.",
                "Look for scores that sum to more than one.",
            ),
            "B": (
                "The order is arbitrary: a decoder may start with the last pixel.",
                "Look for scores that sum to more than one.",
            ),
            "D": (
                "That is a mixture of two densities: it sums to one, and p(next pixel given those "
                "before) is the quotient of two sums, however long that takes.",
                "Look for scores that sum to more than one.",
            ),
        },
    ),
}
