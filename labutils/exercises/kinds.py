"""Exercises by kind: how an answer is run on drawn inputs, and when its result is right.

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
from torch.overrides import TorchFunctionMode

SETS = 3  # of inputs, on which an answer must be right
Words = tuple[str, str]  # what an answer does and which principle it breaks; where the fix is


class Draw:
    """Random inputs that depend on `seed` alone: float32 tensors, numbers where shape is ()."""

    def __init__(self, seed: str):
        number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") >> 1
        self.generator = torch.Generator().manual_seed(number)

    def normal(self, *shape: int) -> Tensor | float:
        """Numbers from N(0, 1)."""
        return _plain(torch.randn(shape, generator=self.generator))

    def uniform(self, *shape: int) -> Tensor | float:
        """Numbers between 0 and 1."""
        return _plain(torch.rand(shape, generator=self.generator))

    def positive(self, *shape: int) -> Tensor | float:
        """Positive numbers around 1: exp(N(0, 1) / 2)."""
        return _plain((torch.randn(shape, generator=self.generator) / 2).exp())

    def bits(self, *shape: int) -> Tensor | float:
        """Zeros and ones, as floats."""
        return _plain(torch.rand(shape, generator=self.generator).round())

    def integers(self, low: int, high: int, shape: int | Sequence[int] = ()) -> Tensor | int:
        """Whole numbers from low to high - 1."""
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        return _plain(torch.randint(low, high, shape, generator=self.generator))

    def choice(self, options: Sequence) -> object:
        """One of the options."""
        return options[self.integers(0, len(options))]


def _plain(tensor):
    return tensor if tensor.ndim else tensor.item()


@dataclass(frozen=True)
class Exercise:
    """A function to write, tried on drawn inputs.

    equation: its number, or "". answer: as one would want a student to write it. gradient: the
    arguments in which the gradient has to be right too. mistakes: what students write instead, as
    an expression over the arguments' names, in the namespace of the answer's module, or as a
    function; each with two texts, said in two steps (Words).
    """

    equation: str
    answer: object
    inputs: Callable[[Draw], tuple] = lambda draw: ()
    gradient: tuple[str, ...] = ()
    mistakes: dict[str | Callable, Words] = field(default_factory=dict)
    tolerance: ClassVar[float] = 1e-5
    expected: ClassVar[str] = "a function"

    @property
    def names(self) -> list[str]:
        """What the inputs are called."""
        return list(inspect.signature(self.answer).parameters)

    def accepts(self, answer: object) -> bool:
        """Whether an answer is of the right kind."""
        return callable(answer)

    def run(self, answer: Callable, inputs: Sequence) -> object:
        """What is compared: here the function's value."""
        return answer(*inputs)

    def wrong_answers(self) -> Iterator[tuple[Callable, Words]]:
        """The known mistakes as functions, each with its texts."""
        for mistake, words in self.mistakes.items():
            yield mistake if callable(mistake) else self._function(mistake), words

    def _function(self, expression):
        code = compile(expression, "a known mistake", "eval")
        given = {**self.answer.__globals__, self.answer.__name__: self.answer}
        return lambda *inputs: eval(code, {**given, **dict(zip(self.names, inputs, strict=True))})


class Module(Exercise):
    """A class of nn.Module to write. The first input is the tuple of its arguments, the others go
    to the module, whose parameters are drawn and must have the names of the answer's."""

    expected = "a class of nn.Module"

    @property
    def names(self) -> list[str]:
        return ["sizes", *list(inspect.signature(self.answer.forward).parameters)[1:]]

    def accepts(self, answer: object) -> bool:
        return isinstance(answer, type) and issubclass(answer, torch.nn.Module)

    def run(self, answer: Callable, inputs: Sequence) -> object:
        """The output of the module under the given weights."""
        sizes, *rest = inputs
        draw, weights = Draw(str(sizes)), self.answer(*sizes).state_dict()
        for weight in weights.values():
            weight.copy_(torch.as_tensor(draw.normal(*weight.shape)))
        model = answer(*sizes)
        got = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
        wanted = {name: tuple(weight.shape) for name, weight in weights.items()}
        if got != wanted:
            raise Trouble(f"expected the parameters {wanted}, got {got}.")
        model.load_state_dict(weights)
        return model.to(next(x.dtype for x in rest if isinstance(x, Tensor)))(*rest)


@dataclass(frozen=True)
class Loop(Exercise):
    """A training loop to write. `given` builds from the inputs what the loop is called with (model,
    batches, optimiser, loss); the model's weights after it are the result."""

    given: Callable[..., tuple] = None

    @property
    def names(self) -> list[str]:
        return list(inspect.signature(self.given).parameters)

    def run(self, answer: Callable, inputs: Sequence) -> Tensor:
        """All weights of the model after the loop, in one row."""
        given = self.given(*inputs)
        answer(*given)
        return torch.cat([p.detach().flatten() for p in given[0].parameters()])

    def _function(self, expression):
        raise TypeError(f"the mistakes of a loop are functions, not {expression!r}")


@dataclass(frozen=True)
class Number(Exercise):
    """A number to find; `tolerance` is relative. A mistake is an expression or a number."""

    tolerance: float = 0.01
    expected: ClassVar[str] = "a number"
    names: ClassVar[list] = []

    def accepts(self, answer: object) -> bool:
        return not callable(answer) and not isinstance(answer, str)

    def run(self, answer: object, inputs: Sequence) -> object:
        """The number itself."""
        return answer() if callable(answer) else answer

    def _function(self, expression):
        return lambda: eval(str(expression), {"math": __import__("math")})


@dataclass(frozen=True)
class Choice(Exercise):
    """One of several options, by its letter; the mistakes are the wrong ones with their texts."""

    expected: ClassVar[str] = "one of the options"

    @property
    def options(self) -> list[str]:
        return sorted([self.answer, *self.mistakes])


@dataclass(frozen=True)
class Bug(Exercise):
    """A fault to find and to mend: `bug` is the faulty function; `places` says, for each wrong
    place, why the fault is not there. The answer is the place's letter, or the mended function."""

    bug: Callable = None
    place: str = ""
    places: dict[str, Words] = field(default_factory=dict)

    def wrong_answers(self) -> Iterator[tuple[Callable, Words]]:
        yield self.bug, ("The fault is still there: nothing has changed.", f"Look at {self.place}.")
        yield from super().wrong_answers()


@dataclass(frozen=True)
class Line(Exercise):
    """A line of a derivation: a function like others, but no line takes the answer of another."""

    others: dict[str, Callable] = field(default_factory=dict)

    def wrong_answers(self) -> Iterator[tuple[Callable, Words]]:
        for name, other in self.others.items():
            yield other, (f"That is {name}, another line.", "Read again what this line asks for.")
        yield from super().wrong_answers()


def derivation(
    name: str, equation: str, answers: Sequence[Callable], inputs: Callable[[Draw], tuple]
) -> dict[str, Exercise]:
    """The lines of a derivation, different quantities of the same inputs: "name.1", "name.2"..."""
    named = {f"{name}.{k}": answer for k, answer in enumerate(answers, start=1)}
    return {
        line: Line(equation, answer, inputs, others={k: v for k, v in named.items() if k != line})
        for line, answer in named.items()
    }


def digest(answer: object) -> str:
    """What is the same as long as an answer is: from its code as far as it has any."""
    try:
        text = ast.dump(ast.parse(textwrap.dedent(inspect.getsource(answer))))
    except (OSError, TypeError, SyntaxError):
        if code := getattr(answer, "__code__", None):
            consts = [c for c in code.co_consts if not inspect.iscode(c)]
            text = repr((code.co_code, code.co_names, consts))
        else:  # no repr of a function: it holds an address
            text = getattr(answer, "__qualname__", None) or repr(answer)
    return hashlib.sha256(text.encode()).hexdigest()


def numbers(value: object) -> Tensor:
    """A result as float64. Raises Trouble for what is no number or tensor of real numbers."""
    if isinstance(value, (bool, int, float, np.ndarray, np.generic)):
        value = np.asarray(value)
        if value.dtype.kind not in "biufc":
            raise Trouble(f"it returned an array of {value.dtype}, not of numbers.")
        dtype = np.int64 if value.dtype.kind in "biu" else value.dtype
        value = torch.from_numpy(value.astype(np.float64 if value.dtype.char == "g" else dtype))
    if not isinstance(value, Tensor):
        raise Trouble(f"it returned a {type(value).__name__}, not a number or a tensor.")
    if value.is_meta:
        raise Trouble("it returned a tensor on the device meta, which holds no numbers.")
    if value.layout != torch.strided:
        raise Trouble("it returned a sparse tensor. Return an ordinary one: .to_dense().")
    if value.is_complex():
        raise Trouble("it returned complex numbers. The result is real.")
    if value.is_floating_point() and value.element_size() < 4:
        raise Trouble(f"it returned {value.dtype}, too coarse to compare. Compute in float32.")
    return value.detach().double().cpu()
