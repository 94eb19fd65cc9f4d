"""Exercises by kind: how an answer is run on drawn inputs, and what it is compared by.

Whatever its kind, an answer becomes numbers: a function's value, a module's output under given
weights, the weights after a loop. So mistakes, remarks and limits are the same for all of them.
"""

from labutils.exercises.limits import Trouble

import ast
import hashlib
import inspect
import textwrap
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
        number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:7], "big")
        self.generator = torch.Generator().manual_seed(number)

    def _new(self, sample, *arguments):
        tensor = sample(*arguments, generator=self.generator, device="cpu")
        return tensor if tensor.ndim else tensor.item()

    def normal(self, *shape: int) -> Tensor | float:
        """Numbers from N(0, 1)."""
        return self._new(torch.randn, shape)

    def uniform(self, *shape: int) -> Tensor | float:
        """Numbers between 0 and 1."""
        return self._new(torch.rand, shape)

    def positive(self, *shape: int) -> Tensor | float:
        """Positive numbers, exp(z / 2) for z from N(0, 1)."""
        return np.exp(z / 2) if isinstance(z := self.normal(*shape), float) else (z / 2).exp()

    def bits(self, *shape: int) -> Tensor | float:
        """Zeros and ones, as floats."""
        return round(u) if isinstance(u := self.uniform(*shape), float) else u.round()

    def integers(self, low: int, high: int, shape: Sequence[int] = ()) -> Tensor | int:
        """Whole numbers from low to high - 1."""
        return self._new(torch.randint, low, high, shape)

    def choice(self, options: Sequence) -> object:
        """One of the options."""
        return options[self.integers(0, len(options))]


@dataclass(frozen=True)
class Exercise:
    """A function to write.

    equation: its number, or "". answer: as one would want a student to write it. gradient: the
    arguments in which the gradient has to be right too. mistakes: what students write instead, as
    an expression over the arguments' names, in the namespace of the answer's module, or as a
    function; each with its Words, which are said in two steps.
    """

    equation: str
    answer: object
    inputs: Callable[[Draw], tuple] = lambda draw: ()
    gradient: tuple[str, ...] = ()
    mistakes: dict[str | Callable, Words] = field(default_factory=dict)
    expected: ClassVar[str] = "a function"
    tolerance: ClassVar[float] = 1e-5  # relative; rounding, as measured in double, comes on top

    @property
    def names(self) -> list[str]:
        """What the inputs are called."""
        return list(inspect.signature(self.answer).parameters)

    def accepts(self, answer: object) -> bool:
        """Whether an answer is of the right kind."""
        return callable(answer)

    def run(self, answer: object, inputs: Sequence) -> object:
        """What is compared: here the function's value."""
        return answer(*inputs)

    def wrong_answers(self) -> Iterator[tuple[object, Words]]:
        """The known mistakes as answers, each with its texts."""
        for mistake, words in self.mistakes.items():
            yield self._function(mistake) if isinstance(mistake, str) else mistake, words

    def _function(self, expression):
        code = compile(expression, "a known mistake", "eval")
        given = {**self.answer.__globals__, self.answer.__name__: self.answer}
        return lambda *inputs: eval(code, given | dict(zip(self.names, inputs, strict=True)))


class Module(Exercise):
    """A class of nn.Module to write. The first input is the tuple of its arguments; the others go
    to the module, whose parameters are given and have the names of the answer's."""

    expected = "a class of nn.Module"

    @property
    def names(self) -> list[str]:
        return ["sizes", *list(inspect.signature(self.answer.forward).parameters)[1:]]

    def accepts(self, answer: object) -> bool:
        return isinstance(answer, type) and issubclass(answer, torch.nn.Module)

    def run(self, answer: type, inputs: Sequence) -> object:
        """The output of the module under the given weights."""
        sizes, *rest = inputs
        wanted, model = self.answer(*sizes).state_dict(), answer(*sizes)
        shapes = [{n: tuple(w.shape) for n, w in s.items()} for s in (wanted, model.state_dict())]
        if shapes[0] != shapes[1]:
            raise Trouble("expected the parameters {}, got {}.".format(*shapes))
        draw = Draw(str(sizes))
        model.load_state_dict(
            {n: torch.as_tensor(draw.normal(*w.shape)) for n, w in wanted.items()}
        )
        return model.to(next(x.dtype for x in rest if isinstance(x, Tensor)))(*rest)


@dataclass(frozen=True)
class Loop(Exercise):
    """A training loop to write. `given` builds from the inputs what it is called with, its model
    first; the model's weights after it are the result. The mistakes are functions."""

    given: Callable[..., tuple] = None

    @property
    def names(self) -> list[str]:
        return list(inspect.signature(self.given).parameters)

    def run(self, answer: Callable, inputs: Sequence) -> Tensor:
        """All weights of the model after the loop, in one row."""
        model, *rest = self.given(*inputs)
        answer(model, *rest)
        return torch.cat([p.detach().flatten() for p in model.parameters()])


@dataclass(frozen=True)
class Number(Exercise):
    """A number to find, to a relative tolerance. A mistake is a number too."""

    tolerance: float = 0.01
    expected: ClassVar[str] = "a number"
    names: ClassVar[list] = []

    def accepts(self, answer: object) -> bool:
        return not callable(answer) and not isinstance(answer, str)

    def run(self, answer: object, inputs: Sequence) -> object:
        """The number itself."""
        return float(answer)


@dataclass(frozen=True)
class Choice(Exercise):
    """One of several options, by its letter: the mistakes are the others, each with its Words."""


@dataclass(frozen=True)
class Bug(Exercise):
    """A fault to find and to mend. `places` are wrong places by their letters, with their Words;
    `place` is the right one. The answer is a letter, or the function `bug` without its fault."""

    bug: Callable = None
    place: str = ""
    places: dict[str, Words] = field(default_factory=dict)

    def wrong_answers(self) -> Iterator[tuple[object, Words]]:
        yield self.bug, ("The fault is still there.", f"Look at {self.place}.")
        yield from super().wrong_answers()


@dataclass(frozen=True)
class Line(Exercise):
    """A line of a derivation, a function; the answer of no other line is taken for it."""

    others: dict[str, Callable] = field(default_factory=dict)

    def wrong_answers(self) -> Iterator[tuple[object, Words]]:
        yield from super().wrong_answers()
        for name, other in self.others.items():
            yield other, (f"That is the quantity of {name}.", "Read again what this line is.")


def derivation(
    name: str, equation: str, answers: Sequence[Callable], inputs: Callable[[Draw], tuple]
) -> dict[str, Exercise]:
    """The lines of a derivation, different quantities of the same inputs: "name.1", "name.2"..."""
    named = {f"{name}.{k}": answer for k, answer in enumerate(answers, start=1)}
    return {
        line: Line(equation, named[line], inputs, others={k: named[k] for k in named if k != line})
        for line in named
    }


def digest(answer: object) -> str:
    """What stays the same as long as an answer does: of its code, or of its value."""
    try:
        text = ast.dump(ast.parse(textwrap.dedent(inspect.getsource(answer))))
    except (OSError, TypeError, SyntaxError):
        code = getattr(answer, "__code__", None)  # a repr of a function would hold an address
        text = str(code and (code.co_code, code.co_names, [*map(str, code.co_consts)]))
        text = text if code else getattr(answer, "__qualname__", None) or repr(answer)
    return hashlib.sha256(text.encode()).hexdigest()


def copies(inputs: Sequence) -> tuple:
    """The inputs, tensors cloned."""
    return tuple(x.clone() if isinstance(x, Tensor) else x for x in inputs)


def is_whole(value: object) -> bool:
    """Whether a result is made of whole numbers, which are compared exactly."""
    return isinstance(value, int) or (isinstance(value, Tensor) and not value.is_floating_point())


def numbers(value: object) -> Tensor:
    """A result as float64. Raises Trouble for what is no number or tensor of real numbers, and
    NotImplementedError for None and `...`, which are no answers."""
    if value is None or value is ...:
        raise NotImplementedError
    if isinstance(value, (bool, int, float, complex, np.ndarray, np.generic)):
        value = np.asarray(value)
        if value.dtype.kind not in "biufc":
            raise Trouble(f"it returned an array of {value.dtype}, not of numbers.")
        exact = value.dtype.kind in "biu" or value.dtype.char == "g"
        value = torch.from_numpy(value.astype(np.float64) if exact else value)
    if not isinstance(value, Tensor):
        raise Trouble(f"it returned a {type(value).__name__}, not a number or a tensor.")
    for true, what in (
        (value.is_meta, "a tensor on the device meta, which holds no numbers."),
        (value.layout != torch.strided, "a sparse tensor. Return an ordinary one: .to_dense()."),
        (value.is_complex(), "complex numbers. The result is real."),
        (value.itemsize < 4 and value.is_floating_point(), f"{value.dtype}: use torch.float32."),
    ):
        if true:
            raise Trouble(f"it returned {what}")
    return value.detach().cpu().double()
