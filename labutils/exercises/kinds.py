"""Exercises by kind: how an answer is run on drawn inputs, and which mistakes are known.

Whatever its kind, an answer becomes numbers: a function's value, a module's output under given
weights, the weights after a loop. So mistakes, remarks and limits are the same for all of them.
"""

from labutils.exercises.limits import Trouble

import hashlib
import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

Words = tuple[str, str]  # what an answer does and which principle it breaks; where the fix is


class Draw:
    """Random inputs that depend on `seed` alone: float32 tensors, or numbers without a shape."""

    def __init__(self, seed: str):
        number = int(hashlib.sha256(seed.encode()).hexdigest()[:12], 16)
        self.generator = torch.Generator().manual_seed(number)

    def normal(self, *shape: int) -> Tensor | float:
        return _plain(torch.randn(shape, generator=self.generator))

    def uniform(self, *shape: int) -> Tensor | float:
        return _plain(torch.rand(shape, generator=self.generator))

    def positive(self, *shape: int) -> Tensor | float:
        """exp(z / 2) for z from N(0, 1)."""
        return _plain((torch.randn(shape, generator=self.generator) / 2).exp())

    def bits(self, *shape: int) -> Tensor | float:
        """Zeros and ones, as floats."""
        return _plain(torch.rand(shape, generator=self.generator).round())

    def integers(self, low: int, high: int, shape: Sequence[int] = ()) -> Tensor | int:
        """Whole numbers from low to high - 1."""
        return _plain(torch.randint(low, high, shape, generator=self.generator))

    def choice(self, options: Sequence) -> object:
        return options[self.integers(0, len(options))]


def copies(inputs: Sequence) -> tuple:
    """The inputs, tensors cloned."""
    return tuple(x.clone() if isinstance(x, Tensor) else x for x in inputs)


def _plain(tensor):
    return tensor if tensor.ndim else tensor.item()


@dataclass(frozen=True)
class Exercise:
    """A function to write.

    equation: its number, or "". answer: as one would want a student to write it. gradient: the
    inputs in which the gradient has to be right too. given: builds from the inputs what the answer
    is called with, where that is more than tensors and numbers. mistakes: what students write
    instead, as an expression over the arguments' names, in the namespace of the answer's module,
    or as a function; each with its Words, which are said in two steps.
    """

    equation: str
    answer: object
    inputs: Callable[[Draw], tuple] = lambda draw: ()
    gradient: tuple[str, ...] = ()
    mistakes: dict[str | Callable, Words] = field(default_factory=dict)
    tolerance: float = 1e-5  # relative; rounding, as measured in double, comes on top
    given: Callable[..., tuple] | None = None
    expected: ClassVar[str] = "a function"

    @property
    def names(self) -> list[str]:
        """What the inputs are called."""
        return list(inspect.signature(self.given or self.answer).parameters)

    def accepts(self, answer: object) -> bool:
        """Whether an answer is of the right kind."""
        return callable(answer)

    def run(self, answer: object, inputs: Sequence) -> object:
        """What is compared."""
        return answer(*(self.given(*inputs) if self.given else inputs))

    def gradients(self, answer: object, inputs: Sequence, weights: Tensor) -> Sequence:
        """Of the weighted sum of what is compared, by the inputs in `gradient`; None where none."""
        leaves = [inputs[self.names.index(name)].requires_grad_() for name in self.gradient]
        value = self.run(answer, inputs)
        if not (isinstance(value, Tensor) and value.requires_grad):
            return [None] * len(leaves)
        with warnings.catch_warnings(action="ignore"), torch.autograd.detect_anomaly():
            try:
                return torch.autograd.grad(value, leaves, weights.to(value), allow_unused=True)
            except RuntimeError as error:  # "Function 'XlogyBackward0' returned nan values ..."
                name = str(error).partition("Function '")[2].partition("Backward")[0].lower()
                raise Trouble(f"that of {name} is nan." if name else str(error)) from None

    def where(self, index: Sequence[int]) -> str:
        """What an entry of the result is, at the beginning of a sentence; no index of a number."""
        return f"At index {list(index)} it" if index else "It"

    def wrong_answers(self) -> Iterator[tuple[object, Words]]:
        """The known mistakes as answers, each with its texts."""
        for mistake, words in self.mistakes.items():
            yield self._function(mistake) if isinstance(mistake, str) else mistake, words

    def _function(self, expression):
        code = compile(expression, "a known mistake", "eval")
        known = {**self.answer.__globals__, self.answer.__name__: self.answer}
        names = inspect.signature(self.answer).parameters
        return lambda *inputs: eval(code, known | dict(zip(names, inputs, strict=True)))


def _output(model, *inputs):
    return model(*inputs)


@dataclass(frozen=True)
class Module(Exercise):
    """A class of nn.Module to write. The first input is the tuple of its arguments; the others go
    to the module, whose parameters are given and have the names of the answer's.

    observe: what is compared, of the module and the other inputs, where its output alone doesn't
    tell; it may change the module, which is made anew each time. entry: what an index of that is.
    """

    observe: Callable[..., Tensor] = _output
    entry: Callable[..., str] | None = None
    expected: ClassVar[str] = "a class of nn.Module"

    @property
    def names(self) -> list[str]:
        return ["sizes", *list(inspect.signature(self.answer.forward).parameters)[1:]]

    def accepts(self, answer: object) -> bool:
        return isinstance(answer, type) and issubclass(answer, torch.nn.Module)

    def run(self, answer: type, inputs: Sequence) -> object:
        sizes, *rest = inputs
        wanted, model = self.answer(*sizes).state_dict(), answer(*sizes)
        shapes = [{n: tuple(w.shape) for n, w in s.items()} for s in (wanted, model.state_dict())]
        if shapes[0] != shapes[1]:
            raise Trouble("expected the parameters {}, got {}.".format(*shapes))
        draw = Draw(str(sizes))
        weights = {name: torch.as_tensor(draw.normal(*w.shape)) for name, w in wanted.items()}
        model.load_state_dict(weights)
        floats = (x.dtype for x in rest if isinstance(x, Tensor) and x.is_floating_point())
        return self.observe(model.to(next(floats, torch.float32)), *rest)

    def where(self, index: Sequence[int]) -> str:
        return self.entry(*index) if self.entry else super().where(index)


@dataclass(frozen=True)
class Loop(Exercise):
    """A training loop to write. What it is called with begins with a model, whose weights after it,
    in one row, are the result. Mistakes are functions."""

    def run(self, answer: Callable, inputs: Sequence) -> Tensor:
        model, *rest = self.given(*copies(inputs))
        try:
            answer(model, *rest)
        except RuntimeError as error:  # torch's own sentence names a version of a tensor
            if "modified by an inplace operation" not in str(error):
                raise
            raise Trouble("it changes the weights between a loss and its backward().") from None
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    def where(self, index: Sequence[int]) -> str:
        return f"After the loop, weight {index[0]}"


@dataclass(frozen=True)
class Several(Exercise):
    """A function with several results, in a tuple; `parts` are their names and shapes. They are
    compared in one row."""

    parts: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def run(self, answer: Callable, inputs: Sequence) -> Tensor:
        got = answer(*inputs)
        if got is None or got is ...:
            return got
        if not isinstance(got, (tuple, list)) or len(got) != len(self.parts):
            raise Trouble(f"expected {len(self.parts)} results: return {', '.join(self.parts)}.")
        got = [torch.as_tensor(part) for part in got]
        both = list(zip(self.parts.items(), got, strict=True))
        if any(part.shape != shape for (_, shape), part in both):
            shapes = [f"{name} {shape}, got {tuple(part.shape)}" for (name, shape), part in both]
            raise Trouble(f"expected the shapes of {'; of '.join(shapes)}.")
        return torch.cat([part.flatten() for part in got])

    def where(self, index: Sequence[int]) -> str:
        entry = index[0]
        for name, shape in self.parts.items():
            if entry < math.prod(shape):
                return f"{name}{[int(i) for i in np.unravel_index(entry, shape)]}"
            entry -= math.prod(shape)


@dataclass(frozen=True)
class Number(Exercise):
    """A number to find, to a relative tolerance. Mistakes are numbers."""

    tolerance: float = 0.01
    expected: ClassVar[str] = "a number"
    names: ClassVar[list] = []

    def accepts(self, answer: object) -> bool:
        return not callable(answer) and not isinstance(answer, str)

    def run(self, answer: object, inputs: Sequence) -> object:
        return answer


class Choice(Exercise):
    """One of several options, by its letter. Mistakes are the other letters."""

    def wrong_answers(self) -> Iterator[tuple[str, Words]]:
        yield from self.mistakes.items()


@dataclass(frozen=True)
class Bug(Exercise):
    """A fault to find, by the letter of its place, and to mend; the faulty function is among the
    mistakes. Takes either answer; without a place, the mended function alone."""

    place: Choice | None = None


class Line(Exercise):
    """A line of a derivation: a function, whose answer is said to be exact or right to rounding."""


def derivation(
    name: str,
    equation: str,
    inputs: Callable[[Draw], tuple],
    lines: Sequence[Callable],
    mistakes: dict[Callable, dict[str, Words]] | None = None,
) -> dict[str, Line]:
    """The lines "name.1", "name.2" ...: different quantities of the same inputs.

    The answer to one line is a known mistake in all others; `mistakes` are more, by line.
    """
    words = {
        line: (f"That is {name}.{k}.", "Read what this one asks for.")
        for k, line in enumerate(lines, start=1)
    }
    return {
        f"{name}.{k}": Line(
            equation,
            line,
            inputs,
            mistakes={o: w for o, w in words.items() if o is not line}
            | (mistakes or {}).get(line, {}),
        )
        for k, line in enumerate(lines, start=1)
    }
