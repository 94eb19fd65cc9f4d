"""What is said of a wrong answer that is no known mistake: remarks that were tried and are true."""

from labutils.exercises.kinds import Draw, Exercise, copies, is_whole, numbers
from labutils.exercises.limits import Caller, Trouble

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import combinations

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

CUT = "Compute with torch from the arguments themselves: no .detach(), .item(), no_grad or numpy."


class Trial:
    """An answer's results on sets of drawn inputs, beside the right ones."""

    def __init__(self, exercise: Exercise, answer: object, seed: str, call: Caller, sets: int):
        self.exercise, self.answer, self.seed, self.call = exercise, answer, seed, call
        self.sets = [tuple(exercise.inputs(Draw(f"{seed} {k}"))) for k in range(sets)]
        self.right = [self.exact(x) for x in self.sets]
        plain = [exercise.run(exercise.answer, copies(x)) for x in self.sets]
        self.whole = all(map(is_whole, plain))
        both = zip(plain, self.right, strict=True)
        self.slack = [8 * _largest(numbers(value) - right) for value, right in both]
        self.changed = ""  # the argument that the answer changes in place

    @cached_property
    def got(self) -> list[Tensor]:
        """The answer's results. Raises Trouble or NotImplementedError, as the answer does."""
        return [self.result(x) for x in self.sets]

    def result(self, inputs: Sequence) -> Tensor:
        """The answer's result on any inputs, within the limits."""
        given = copies(inputs)
        got = self.call(lambda: numbers(self.exercise.run(self.answer, given)))
        for name, before, after in zip(self.exercise.names, inputs, given, strict=True):
            if isinstance(before, Tensor) and not torch.equal(before, after):
                self.changed = name
        return got

    def results(self, function: Callable) -> Iterator[Tensor]:
        """What a function of ours gives in the answer's place."""
        return (numbers(self.exercise.run(function, copies(x))) for x in self.sets)

    def exact(self, inputs: Sequence) -> Tensor:
        """The right result, computed in double precision."""
        with torch.device("cpu"), _Doubled():
            return numbers(self.exercise.run(self.exercise.answer, _double(inputs)))

    def same(self, got: Iterable[Tensor], wanted: Iterable[Tensor]) -> bool:
        """Whether results agree on all sets; results without a finite number agree with none."""
        finite = False
        for a, b, slack in zip(got, wanted, self.slack, strict=False):
            if a.shape != b.shape or self.differs(a, b, slack).any():
                return False
            finite |= bool(a.isfinite().any())
        return finite

    def differs(self, got: Tensor, wanted: Tensor, slack: float) -> Tensor:
        """Where results of the same shape differ by more than rounding; whole numbers, at all."""
        if self.whole:
            return got != wanted
        near = 1e-6 * _largest(wanted) + slack
        return ~got.isclose(wanted, rtol=self.exercise.tolerance, atol=near, equal_nan=True)

    @cached_property
    def shaped(self) -> bool:
        """Whether all results have the right shape."""
        return all(a.shape == b.shape for a, b in zip(self.got, self.right, strict=True))


def remarks(trial: Trial) -> Iterator[str]:
    """All general remarks that are true of a trial's wrong answer, the most telling first."""
    for look in (_repeated, _not_finite, _is, _scaled, _unused, _mixed, _right_where, _parts):
        with suppress(Exception):  # changed inputs may be none that answer or reference can take
            yield from look(trial)


def place(trial: Trial) -> str:
    """Where the first difference is, with the arguments there."""
    sets = zip(trial.sets, trial.got, trial.right, trial.slack, strict=True)
    for inputs, got, right, slack in sets:
        if got.shape != right.shape:
            return f"It returns {_shape(got)}, where {_shape(right)} is right."
        if (wrong := trial.differs(got, right, slack)).any():
            index = tuple(wrong.nonzero()[0].tolist())
            given = map(_at, trial.exercise.names, inputs, [index] * len(inputs))
            where = f"At index {list(index)} it" if index else "It"
            there = f"{where} is {got[index]:.6g} instead of {right[index]:.6g}"
            return f"{there}{' for ' if inputs else ''}{', '.join(given)}."
    raise ValueError("a right answer differs nowhere")


def gradient_problem(trial: Trial) -> str | None:
    """What is wrong with the gradient of an answer whose value is right; None if nothing is."""
    exercise, names = trial.exercise, trial.exercise.gradient
    chosen = [exercise.names.index(name) for name in names]
    for inputs, right in zip(trial.sets, trial.right, strict=True):
        weights = torch.as_tensor(Draw(trial.seed).normal(*right.shape))
        with _Doubled():
            wanted = _gradients(exercise.run, exercise.answer, _double(inputs), chosen, weights)
        try:
            got = trial.call(
                _gradients, exercise.run, trial.answer, copies(inputs), chosen, weights
            )
        except Trouble as trouble:
            return f"the value is right, but not its gradient: {trouble}"
        for name, a, b in zip(names, got, wanted, strict=True):
            if a is None:
                return f"the value is right, but no gradient reaches {name}. {CUT}"
            if not torch.allclose(a.double(), b, rtol=1e-4, atol=1e-5 * max(1, _largest(b))):
                return f"the value is right, but the gradient in {name} is not. {CUT}"
    return None


def _gradients(run, function, inputs, chosen, weights):
    """Of the weighted sum of the function's values, in the chosen inputs."""
    leaves = [inputs[k].requires_grad_() for k in chosen]
    value = run(function, inputs)
    if not (isinstance(value, Tensor) and value.requires_grad):
        return [None] * len(chosen)
    with warnings.catch_warnings(action="ignore"), torch.autograd.detect_anomaly():
        try:
            return torch.autograd.grad((value * weights).sum(), leaves, allow_unused=True)
        except RuntimeError as error:  # "Function 'XlogyBackward0' returned nan values ..."
            name = str(error).partition("Function '")[2].partition("Backward")[0].lower()
            raise Trouble(f"that of {name} is nan." if name else str(error)) from None


# Each of these yields what is true of a trial.


def _repeated(t):
    if not torch.equal(t.result(t.sets[0]).nan_to_num(), t.got[0].nan_to_num()):
        yield (
            "Two calls with the same arguments give different results: the answer draws random "
            "numbers of its own, or remembers something between calls."
        )


def _not_finite(t):
    for inputs, got in zip(t.sets, t.got, strict=True):
        if not got.isfinite().all():
            with (trace := _Trace()):
                t.call(t.exercise.run, t.answer, copies(inputs))
            bad = got[~got.isfinite()][0].item()
            yield f"It gives {bad} where a finite number is right. {trace.story}".rstrip()
            return


def _is(t):
    for text, wanted in _claims(t):
        with suppress(Exception):
            if t.same(t.got, wanted):
                yield text


def _claims(t):
    """Sentences, each with the results that an answer has of which it is true."""
    names, right = t.exercise.names, t.right
    for words, f in RESULT.items():
        yield f"Your result is {words} the right one.", map(f, right)
    for axis in range(max(right[0].ndim, t.got[0].ndim)):
        for words, f in REDUCTIONS.items():
            over = f"the {words} over axis {axis}"
            yield (
                f"It is {over} of the right result, one step too far.",
                (f(r, axis) for r in right),
            )
            if all(t.same([f(g, axis)], [r]) for g, r in zip(t.got, right, strict=True)):
                yield f"It is right up to the last step: {over} is missing.", t.got
    for words, f in REDUCTIONS.items():
        yield f"It is the {words} over all of the right result.", (f(r.flatten(), 0) for r in right)
    for i, j in combinations(range(len(names)), 2):
        order = [{i: j, j: i}.get(k, k) for k in range(len(names))]
        other = (t.exact([x[k] for k in order]) for x in t.sets)
        yield f"Your result is right for {names[i]} and {names[j]} exchanged.", other
    for k, name in enumerate(names):
        for form, f in ARGUMENT.items():
            other = (t.exact(_with(x, k, f)) for x in t.sets)
            yield f"Your result is right for {form.format(name)} in place of {name}.", other


def _scaled(t):
    """A factor or a difference that is one number, or a number times a length or an argument."""
    if not t.shaped:
        return
    pairs = list(zip(t.got, t.right, strict=True))
    for words, amounts in (
        ("{} times the right one", [(g / r).median() for g, r in pairs]),
        ("the right one plus {}", [(g - r).median() for g, r in pairs]),
    ):
        f = torch.mul if "times" in words else torch.add
        if not t.same(t.got, map(f, t.right, amounts)):
            continue
        for name, sizes in _sizes(t):
            for form, unit in (("{:.4g}{}", [1 / s for s in sizes]), ("{:.4g} /{}", sizes)):
                per = torch.stack([a * u for a, u in zip(amounts, unit, strict=True)])
                if per.isfinite().all() and per.isclose(per[:1], rtol=1e-4).all():
                    amount = form.format(
                        per[0].item(), f" * {name}" if "/" not in form else f" {name}"
                    )
                    text = "Your result is " + words.format(amount if name else f"{per[0]:.4g}")
                    yield (
                        "The sign is flipped."
                        if text.endswith("is -1 times the right one")
                        else f"{text}."
                    )
                    return


def _sizes(t):
    """What a number may depend on: nothing, the number arguments, the lengths of the tensors."""
    yield "", [1.0] * len(t.sets)
    for k, name in enumerate(t.exercise.names):
        column = [x[k] for x in t.sets]
        if all(isinstance(x, (int, float)) for x in column):
            yield name, column
            yield f"log({name})", torch.tensor(column).double().log()
        elif all(isinstance(x, Tensor) for x in column):
            for axis in range(column[0].ndim):
                yield f"{name}.shape[{axis}]", [x.shape[axis] for x in column]


def _unused(t):
    for k, name in enumerate(t.exercise.names):
        with suppress(Exception):
            nudged = [_with(x, k, _nudge) for x in t.sets]
            still = all(map(torch.equal, map(t.result, nudged), t.got))
            if still and not t.same(map(t.exact, nudged), t.right):
                yield f"Your result does not change with {name}, but the right one does."


def _mixed(t):
    inputs, got, right, slack = t.sets[0], t.got[0], t.right[0], t.slack[0]
    for k, name in enumerate(t.exercise.names):
        for axis in range(inputs[k].ndim if isinstance(inputs[k], Tensor) else 0):
            other = _with(inputs, k, lambda x, a=axis: _nudge_all_but_first(x, a))
            kept = ~t.differs(t.exact(other), right, slack)
            if (kept & t.differs(t.result(other), got, slack)).any():
                yield (
                    f"Your result mixes what lies along axis {axis} of {name}: some of its numbers "
                    f"change with entries on which the right ones do not depend."
                )


def _right_where(t):
    for k, name in enumerate(t.exercise.names):
        for form, f in WHERE.items():
            with suppress(Exception):
                sets = [_with(x, k, f) for x in t.sets]
                if t.same(map(t.result, sets), map(t.exact, sets)):
                    yield f"Your result is right where {form.format(name)}: look at {name}."


def _parts(t):
    """Which arguments the difference from the right result depends on."""
    guilty, names = [], t.exercise.names
    for k, name in enumerate(names):
        for x, got, right in zip(t.sets, t.got, t.right, strict=True):
            other = _with(x, k, _nudge)
            change = (t.result(other) - t.exact(other)) - (got - right)
            if not _largest(change) < 1e-4 * max(_largest(got - right), 1e-2 * _largest(right)):
                guilty.append(name)
                break
    if 0 < len(guilty) < len(names):
        others = " and ".join(name for name in names if name not in guilty)
        which = " and ".join(guilty)
        yield f"The difference from the right result changes with {which}, not with {others}."


RESULT = {
    "the exponential of": torch.exp,
    "the logarithm of": torch.log,
    "the square of": torch.square,
    "the square root of": torch.sqrt,
    "the reciprocal of": torch.reciprocal,
    "the absolute value of": torch.abs,
    "the sigmoid of": torch.sigmoid,
    "the softmax of": lambda x: x.softmax(-1),
    "one minus": lambda x: 1 - x,
    "the transpose of": lambda x: x.mT,
}
REDUCTIONS = {"sum": torch.sum, "mean": torch.mean, "largest entry": torch.amax}
ARGUMENT = {
    "0": torch.zeros_like,
    "1": torch.ones_like,
    "-{}": torch.neg,
    "2 * {}": lambda x: 2 * x,
    "{} / 2": lambda x: x / 2,
    "{} ** 2": torch.square,
    "exp({})": torch.exp,
    "log({})": torch.log,
    "sqrt({})": torch.sqrt,
    "abs({})": torch.abs,
    "1 / {}": torch.reciprocal,
    "1 - {}": lambda x: 1 - x,
    "{} + 1": lambda x: x + 1,
    "{} - 1": lambda x: x - 1,
    "sigmoid({})": torch.sigmoid,
}
WHERE = {
    "{} is 0": torch.zeros_like,
    "{} is 1": torch.ones_like,
    "{} is positive": torch.abs,
    "{} is negative": lambda x: -x.abs(),
    "{} lies between -3 and 3": lambda x: x.clamp(-3, 3),
}


class _Doubled(TorchFunctionMode):
    """Double precision also where a function asks for .float()."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        func = Tensor.double if func.__name__ == "float" else func
        return func(*args, **(kwargs or {}))


class _Trace(TorchFunctionMode):
    """Tells where finite numbers became infinite or nan, and what had underflowed before."""

    story = ""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        with torch._C.DisableTorchFunction():
            x = next((x for x in args if isinstance(x, Tensor) and x.is_floating_point()), None)
            if x is not None and isinstance(out, Tensor) and out.shape == x.shape:
                self._look(func.__name__.strip("_"), x, out)
        return out

    def _look(self, name, x, out):
        under = (out == 0) & (x != 0) if name in ("exp", "sigmoid", "softmax") else out != out
        bad = ~out.isfinite() & x.isfinite()
        for what, at in (("underflows to 0", under), ("is not finite", bad)):
            if at.any() and what not in self.story:
                self.story += f"{name}({x[at][0].item():.4g}) {what}. "


def _double(inputs):
    return tuple(x.double() if _is_float(x) else x for x in copies(inputs))


def _with(inputs, k, f):
    """The inputs with f applied to the k-th. Raises TypeError where f cannot change it."""
    x = inputs[k]
    if isinstance(x, (int, float)):
        new = f(torch.tensor(x, dtype=torch.float64)).item()
        new = int(new) if isinstance(x, int) and new % 1 == 0 else new
    else:
        new = f(x)
    return (*inputs[:k], new, *inputs[k + 1 :])


def _nudge(x):
    return 0.93 * x if _is_float(x) else x.roll(1, 0)


def _nudge_all_but_first(x, axis):
    first, rest = x.split([1, x.shape[axis] - 1], axis)
    return torch.cat([first, 0.93 * rest], axis)


def _is_float(x):
    return isinstance(x, Tensor) and x.is_floating_point()


def _largest(x):
    finite = x[x.isfinite()].abs()
    return finite.max().item() if finite.numel() else 0.0


def _shape(x):
    return f"a tensor of shape {tuple(x.shape)}" if x.ndim else "one number"


def _at(name, x, index):
    """An argument at an index of the result, as far as it has one there; a number as it is."""
    if isinstance(x, Tensor) and x.ndim:
        if len(index) != x.ndim or any(i >= n for i, n in zip(index, x.shape, strict=True)):
            return f"{name} of shape {tuple(x.shape)}"
        return f"{name}{list(index)} = {x[index].item():.6g}"
    return f"{name} = {float(x):.6g}" if isinstance(x, (int, float, Tensor)) else f"{name} = {x}"
