"""What is said of a wrong answer that is no known mistake: remarks that were tried and are true."""

from labutils.exercises.kinds import Draw, Exercise, copies
from labutils.exercises.limits import Caller, Trouble

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import combinations

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

CUT = "Computing with torch passes it on; .detach(), .item(), no_grad and numpy cut it off."
OTHER = "It is another one: compare it with that of the equation."
# of the right result, or in place of an argument
FORMS = (
    "0 * {}", "0 * {} + 1", "-{}", "2 * {}", "{} / 2", "{} ** 2", "1 / {}", "1 - {}", "{} + 1",
    "{} - 1", "exp({})", "log({})", "sqrt({})", "abs({})", "sigmoid({})",
)  # fmt: skip
WHERE = {
    "is 0": "0 * {}", "is 1": "0 * {} + 1", "is positive": "abs({})", "is negative": "-abs({})",
    "is far above 0": "abs({}) + 50", "is far below 0": "-abs({}) - 50",
    "lies between -3 and 3": "clamp({}, -3, 3)",
}  # fmt: skip
REDUCTIONS = {"sum": torch.sum, "mean": torch.mean, "largest entry": torch.amax}


class Trial:
    """An answer's results on sets of drawn inputs, beside the right ones."""

    def __init__(self, exercise: Exercise, answer: object, seed: str, call: Caller, sets: int):
        self.exercise, self.answer, self.seed, self.call = exercise, answer, seed, call
        self.sets = [tuple(exercise.inputs(Draw(f"{seed} {k}"))) for k in range(sets)]
        self.right = [self.exact(x) for x in self.sets]
        plain = [exercise.run(exercise.answer, copies(x)) for x in self.sets]
        self.whole = all(map(_is_whole, plain))
        both = zip(plain, self.right, strict=True)
        self.slack = [8 * _largest(numbers(value) - right) for value, right in both]
        self.changed = ""  # the argument that the answer changes in place

    @cached_property
    def got(self) -> list[Tensor]:
        """The answer's results. Raises Trouble or NotImplementedError, as the answer does."""
        return [self.result(x) for x in self.sets]

    def result(self, inputs: Sequence) -> Tensor:
        """The answer's result on any inputs, within the limits."""
        given, names = copies(inputs), self.exercise.names
        try:
            got = self.call(lambda: numbers(self.exercise.run(self.answer, given)))
        except Trouble as trouble:
            called = ", ".join(_at(n, x) for n, x in zip(names, inputs, strict=True))
            raise Trouble(f"{trouble}\nIt was called with {called or 'nothing'}.") from None
        for name, before, after in zip(names, inputs, given, strict=True):
            if isinstance(before, Tensor) and not torch.equal(before, after):
                self.changed = name
        return got

    def redrawn(self, k: int, axis: int | None = None) -> list[tuple]:
        """The sets, their k-th input that of the next, but for what is first along the axis."""
        following = [x[k] for x in self.sets[1:] + self.sets[:1]]
        if isinstance(following[0], Tensor):
            following = [x.roll(1, 0) for x in following]  # some are alike at each index
        if axis is not None:
            pairs = zip(self.sets, following, strict=True)
            following = [
                torch.cat([x[k].narrow(axis, 0, 1), y.narrow(axis, 1, y.shape[axis] - 1)], axis)
                for x, y in pairs
            ]
        return [(*x[:k], y, *x[k + 1 :]) for x, y in zip(self.sets, following, strict=True)]

    def results(self, function: Callable) -> Iterator[Tensor]:
        """What a function of ours gives in the answer's place."""
        return (numbers(self.exercise.run(function, copies(x))) for x in self.sets)

    def exact(self, inputs: Sequence, function: Callable | None = None) -> Tensor:
        """The right result, or a function's, computed in double precision."""
        with _Doubled():
            return numbers(self.exercise.run(function or self.exercise.answer, _double(inputs)))

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


def numbers(value: object) -> Tensor:
    """A result as float64, copied. Raises Trouble for what is no number or tensor of real numbers,
    and NotImplementedError for `...`, which is no answer."""
    if value is ...:
        raise NotImplementedError
    if value is None:
        raise Trouble("it returned None. Is there a return at its end?")
    if isinstance(value, (int, float, complex, np.ndarray, np.generic)):
        value = np.array(value, order="C")  # torch takes no negative strides
        if value.dtype.kind in "biu" or value.dtype.char == "g":  # g: more than 64 bits
            value = value.astype(np.float64)
        if value.dtype.kind in "fc":
            value = torch.from_numpy(value)
    if not isinstance(value, Tensor):
        raise Trouble(f"it returned a {type(value).__name__}, not a number or a tensor of numbers.")
    for true, what in (
        (value.is_meta, "a tensor on the device meta, which holds no numbers."),
        (value.layout != torch.strided, "a sparse tensor. Return an ordinary one: .to_dense()."),
        (value.is_complex(), "complex numbers. The result is real."),
        (value.is_floating_point() and value.itemsize < 4, f"{value.dtype}. Use torch.float32."),
    ):
        if true:
            raise Trouble(f"it returned {what}")
    return value.detach().to("cpu", torch.float64, copy=True)


def remarks(trial: Trial) -> Iterator[str]:
    """All general remarks that are true of a trial's wrong answer, the most telling first."""
    if text := _repeated(trial):
        yield text
        return
    looks = (_not_finite, _claimed, _scaled, _axes, _unused, _by_argument, _parts)
    for look in looks:
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
            where = trial.exercise.where(index)
            given = [
                _at(n, x, index, got.shape)
                for n, x in zip(trial.exercise.names, inputs, strict=True)
            ]
            there = f"{where} is {got[index]:.6g} instead of {right[index]:.6g}"
            return f"{there} for {', '.join(given)}."
    raise ValueError("a right answer differs nowhere")


def gradient_problem(trial: Trial) -> str | None:
    """What is wrong with the gradient of an answer whose value is right; None if nothing is."""
    exercise = trial.exercise
    for inputs, right in zip(trial.sets, trial.right, strict=True):
        weights = torch.as_tensor(Draw(trial.seed).normal(*right.shape))
        with _Doubled():
            wanted = exercise.gradients(exercise.answer, _double(inputs), weights)
        try:
            got = trial.call(exercise.gradients, trial.answer, copies(inputs), weights)
        except Trouble as trouble:
            reason = CUT if "numpy()" in str(trouble) else trouble  # torch would advise .detach()
            return f"the value is right, but not its gradient: {reason}"
        for name, a, b in zip(exercise.gradient, got, wanted, strict=True):
            if a is None:
                return f"the value is right, but no gradient reaches {name}. {CUT}"
            if not torch.allclose(a.double(), b, rtol=1e-4, atol=1e-5 * max(1, _largest(b))):
                reason = OTHER if a.any() else CUT
                return f"the value is right, but the gradient in {name} is not. {reason}"
    return None


# Each of these yields what is true of a trial.


def _repeated(t):
    if not torch.equal(t.result(t.sets[0]).nan_to_num(), t.got[0].nan_to_num()):
        return (
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


def _claimed(t):
    for text, wanted in _claims(t):
        with suppress(Exception):
            if t.same(t.got, wanted):
                yield text


def _claims(t):
    """Sentences, each with the results that an answer has of which it is true."""
    names = t.exercise.names
    yield "Rows and columns of your result are exchanged.", (r.mT for r in t.right if r.ndim > 1)
    yield (
        "Its numbers are right, but not its shape.",
        map(torch.reshape, t.right, (g.shape for g in t.got)),
    )
    right = "r" if "r" not in names else "y"
    for form in FORMS[2:]:
        yield (
            f"Your result is {form.format(right)}, where {right} is the right one.",
            map(_f(form), t.right),
        )
    for (i, a), (j, b) in combinations(enumerate(names), 2):
        order = [{i: j, j: i}.get(k, k) for k in range(len(names))]
        other = (t.exact([x[k] for k in order]) for x in t.sets)
        yield f"Your result is right for {a} and {b} exchanged.", other
    for k, name in enumerate(names):
        for form in FORMS:
            other = (t.exact(_with(x, k, _f(form))) for x in t.sets)
            yield f"Your result is right for {form.format(name)} in place of {name}.", other
    for words, f in REDUCTIONS.items():
        yield (
            f"It is the {words} over all of the right result.",
            (f(r.flatten(), 0) for r in t.right if r.ndim > 1),
        )
        for axis in range(t.right[0].ndim):
            over = f"It is the {words} over axis {axis} of the right result, one step too far."
            yield over, (f(r, axis) for r in t.right)
        for axis in range(t.got[0].ndim):
            if t.got[0].shape[axis] > 1 and t.same((f(g, axis) for g in t.got), t.right):
                yield f"Right up to the last step: the {words} over axis {axis} is missing.", t.got


def _scaled(t):
    if _vary(t.right) and (words := _multiple(t, t.got, t.right)):
        yield f"Your result is {words}."


def _multiple(t, got, right):
    """In words: results are the right ones times, plus or under one number, or a number times a
    length or an argument; None where they are not."""
    if not _vary(right):  # any number is a multiple of any other
        a, b = got[0].max(), right[0].max()
        return f"{a:.4g}, where {b:.4g} is right" if b.isfinite() and not _vary(got) else None
    pairs, near = list(zip(got, right, strict=True)), 1e-6 if t.whole else 1e-5
    for words, f, amounts in (
        ("{} times the right one", torch.mul, [(g / r).nanmedian() for g, r in pairs]),
        ("the right one plus {}", torch.add, [(g - r).median() for g, r in pairs]),
        ("{} divided by the right one", lambda r, a: a / r, [(g * r).median() for g, r in pairs]),
    ):
        tells = all(1e-6 < abs(a) < 1e6 for a in amounts)
        if tells and t.same(got, map(f, right, amounts)):
            for name, sizes in _sizes(t):
                per = torch.stack([a / s for a, s in zip(amounts, sizes, strict=True)])
                if per.isfinite().all() and per.isclose(per[:1], rtol=near).all():
                    return words.format(f"{per[0]:.4g}{name}")
    return None


def _sizes(t):
    """What a number may depend on: nothing, the number arguments, the lengths of the tensors."""
    yield "", [1.0] * len(t.sets)
    for k, name in enumerate(t.exercise.names):
        column = [x[k] for x in t.sets]
        if all(isinstance(x, (int, float)) for x in column):
            yield f" * {name}", column
            yield f" / {name}", [1 / x for x in column]
            yield f" * log({name})", torch.tensor(column).double().log()


def _axes(t):
    """Which axes of the arguments the result runs along, where it is not those of the right one."""
    if t.got[0].shape == t.right[0].shape:
        return
    lengths = {}
    for name, x in zip(t.exercise.names, t.sets[0], strict=True):
        for axis, length in enumerate(x.shape if isinstance(x, Tensor) else ()):
            lengths.setdefault(length, f"axis {axis} of {name}")
    got, right = ({lengths[n] for n in each[0].shape} for each in (t.got, t.right))
    for kept, words in ((got - right, "keeps {}, which"), (right - got, "has lost {}, which")):
        if kept:
            verb = words.format(" and ".join(sorted(kept)))
            yield f"Your result {verb} the right one {'does not' if 'keeps' in words else 'keeps'}."


def _unused(t):
    for k, name in enumerate(t.exercise.names):
        with suppress(Exception):
            other = t.redrawn(k)
            still = [
                t.same(map(f, other), was) for f, was in ((t.result, t.got), (t.exact, t.right))
            ]
            if still == [True, False]:
                yield f"Your result does not change with {name}, but the right one does."
            if still == [False, True]:
                yield f"Your result changes with {name}, but the right one does not."


def _beyond(words, drawn):
    """Whether no input could be so: where none is drawn below 0, as probabilities, or above 1."""
    below = words in ("is negative", "is far below 0") and drawn.min() >= 0
    return below or (words == "is far above 0" and drawn.min() >= 0 and drawn.max() <= 1)


def _by_argument(t):
    elsewhere = not _multiple(t, t.got, t.right)  # what is so everywhere was said
    for k, name in enumerate(t.exercise.names):
        found = {}
        for words, form in WHERE.items() if elsewhere else ():
            with suppress(Exception):
                if _beyond(words, torch.cat([numbers(x[k]).flatten() for x in t.sets])):
                    continue
                sets = [_with(x, k, _f(form)) for x in t.sets]
                got, right = list(map(t.result, sets)), list(map(t.exact, sets))
                if is_ := "right" if t.same(got, right) else _multiple(t, got, right):
                    found.setdefault(is_, []).append(words)
        for is_, words in found.items():
            yield f"Where {name} {' or '.join(words)}, your result is {is_}."
        for axis in range(
            getattr(t.sets[0][k], "ndim", 0) if t.got[0].shape == t.right[0].shape else 0
        ):
            other = t.redrawn(k, axis)
            along = _moved(t, t.exact, other, t.right), _moved(t, t.result, other, t.got)
            kept = _moved(t, t.exact, t.redrawn(k), t.right) & ~along[0]
            if _is_first(kept) and (kept & along[1]).any():
                yield (
                    f"Your result mixes what lies along axis {axis} of {name}: some of its numbers "
                    f"change with entries on which the right ones do not depend."
                )


def _is_first(mask):
    """Whether what is true lies first along an axis, all of it: the rest may only be saturated."""
    return any(
        m[0].any() and not m[1:].any() for m in (mask.movedim(a, 0) for a in range(mask.ndim))
    )


def _moved(t, f, sets, before):
    return torch.stack(
        [t.differs(f(x), y, s) for x, y, s in zip(sets, before, t.slack, strict=True)]
    ).any(0)


def _parts(t):
    """Which arguments the difference from the right result depends on."""
    guilty, names = [], t.exercise.names
    if not all(
        g.shape == r.shape and g.isfinite().all() for g, r in zip(t.got, t.right, strict=True)
    ):
        return
    for k, name in enumerate(names):
        for other, got, right in zip(t.redrawn(k), t.got, t.right, strict=True):
            change = (t.result(other) - t.exact(other)) - (got - right)
            if not _largest(change) < 1e-4 * max(_largest(got - right), 1e-2 * _largest(right)):
                guilty.append(name)
                break
    if 0 < len(guilty) < len(names):
        others = " or ".join(name for name in names if name not in guilty)
        which = " and ".join(guilty)
        yield f"The difference from the right result depends on {which}, not on {others}."


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
        for what, at in (("underflows to 0", under & out.isfinite()), ("is not finite", bad)):
            if at.any() and what not in self.story:
                self.story += f"{name}({x[at][0].item():.4g}) {what}. "


def _f(form):
    """A form as a function."""
    code = compile(form.format("x"), form, "eval")
    return lambda x: eval(code, {**vars(torch), "x": x})


def _with(inputs, k, f):
    """The inputs with f applied to the k-th. Raises TypeError where f cannot change it."""
    x = inputs[k]
    if isinstance(x, (int, float)):
        new = f(torch.tensor(x, dtype=torch.float64)).item()
        new = int(new) if isinstance(x, int) and new % 1 == 0 else new
    else:
        new = f(x)
    return (*inputs[:k], new, *inputs[k + 1 :])


def _vary(right):
    return torch.cat([r.flatten() for r in right]).unique().numel() > 1


def _double(inputs):
    is_float = [isinstance(x, Tensor) and x.is_floating_point() for x in inputs]
    return tuple(x.double() if f else x for f, x in zip(is_float, copies(inputs), strict=True))


def _is_whole(value):
    return isinstance(value, int) or (isinstance(value, Tensor) and not value.is_floating_point())


def _largest(x):
    finite = x[x.isfinite()].abs()
    return finite.max().item() if finite.numel() else 0.0


def _shape(x):
    return f"a tensor of shape {tuple(x.shape)}" if x.ndim else "one number"


def _at(name, x, index=(), shape=None):
    """An argument at an index of the result, as far as it has one there; a number as it is."""
    if not isinstance(x, Tensor):
        return f"{name} = {x:.6g}" if isinstance(x, (int, float)) else f"{name} = {x}"
    if x.shape != shape:
        return f"{name} of shape {tuple(x.shape)}"
    return f"{name}{list(index)} = {x[index].item():.6g}"
