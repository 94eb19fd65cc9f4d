"""What is said of a wrong answer that is no known mistake: remarks that were tried and are true."""

from labutils.exercises.kinds import Draw, Exercise, numbers
from labutils.exercises.limits import Caller, Trouble

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import combinations

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Trial:
    """An answer's results on drawn inputs, beside the right ones."""

    def __init__(self, exercise: Exercise, answer: object, seed: str, call: Caller, sets: int):
        self.exercise, self.answer, self.seed, self.call = exercise, answer, seed, call
        self.sets = [tuple(exercise.inputs(Draw(f"{seed} {k}"))) for k in range(sets)]
        with torch.device("cpu"):
            self.right = [self.exact(x) for x in self.sets]
            plain = [exercise.run(exercise.answer, copies(x)) for x in self.sets]
        self.whole = all(_is_whole(value) for value in plain)
        rounding = [numbers(p) - r for p, r in zip(plain, self.right, strict=True)]
        self.slack = [8 * _largest(each) for each in rounding]
        self.changed = ""  # the argument that the answer changes in place

    @cached_property
    def got(self) -> list[Tensor]:
        """The answer's results. Raises Trouble or NotImplementedError, as the answer does."""
        return [self.result(inputs) for inputs in self.sets]

    def exact(self, inputs: Sequence) -> Tensor:
        """The right result, computed in double precision."""
        doubled = [x.double() if _is_float(x) else x for x in copies(inputs)]
        with _Doubled():
            return numbers(self.exercise.run(self.exercise.answer, doubled))

    def result(self, inputs: Sequence, function: object = None) -> Tensor:
        """The result of the answer, or of another function, within the limits."""
        given, function = copies(inputs), self.answer if function is None else function
        got = self.call(lambda: numbers(_given(self.exercise.run(function, given))))
        for name, before, after in zip(self.exercise.names, inputs, given, strict=True):
            if isinstance(before, Tensor) and not torch.equal(before, after):
                self.changed = name
        return got

    def same(self, got: Iterable[Tensor], wanted: Iterable[Tensor]) -> bool:
        """Whether results agree on all sets; results without a finite number agree with none."""
        finite = False
        for a, b, slack in zip(got, wanted, self.slack, strict=False):
            if a.shape != b.shape or self.differs(a, b, slack).any():
                return False
            finite |= bool(a.isfinite().any())
        return finite

    def differs(self, got: Tensor, wanted: Tensor, slack: float) -> Tensor:
        """Where two results of the same shape differ by more than rounding."""
        if self.whole:
            return got != wanted
        rtol = self.exercise.tolerance
        near = 1e-6 * _largest(wanted) + slack
        return ~torch.isclose(got, wanted, rtol=rtol, atol=near, equal_nan=True)


def copies(inputs: Sequence) -> tuple:
    """The inputs, tensors cloned."""
    return tuple(x.clone() if isinstance(x, Tensor) else x for x in inputs)


def remarks(trial: Trial) -> Iterator[str]:
    """All general remarks that are true of the trial's wrong answer, the most telling first."""
    for look in (
        _repeated, _not_finite, _of_result, _sizes, _factor_and_offset, _reduced, _exchanged,
        _of_argument, _unused, _mixed, _right_where, _parts,
    ):  # fmt: skip
        try:
            yield from look(trial)
        except Exception:  # changed inputs may be none that answer or reference can take
            continue


def place(trial: Trial) -> str:
    """Where the first difference is, with the arguments there."""
    for inputs, got, right, slack in zip(
        trial.sets, trial.got, trial.right, trial.slack, strict=True
    ):
        if got.shape != right.shape:
            return f"The result has {_shape(got)} where {_shape(right)} is right."
        wrong = trial.differs(got, right, slack)
        if wrong.any():
            index = tuple(wrong.nonzero()[0].tolist())
            names = trial.exercise.names
            given = [_at(x, n, index, right) for n, x in zip(names, inputs, strict=True)]
            where = f"At index {list(index)} it" if index else "It"
            numbers = f"{where} is {got[index]:.6g}, and {right[index]:.6g} is right"
            return f"{numbers}{' for ' if given else ''}{', '.join(given)}."
    raise AssertionError("only a wrong answer has a first difference")


def gradient_problem(trial: Trial) -> str | None:
    """What is wrong with the gradient of an answer whose value is right; None if nothing is."""
    exercise, names = trial.exercise, trial.exercise.gradient
    for inputs, right in zip(trial.sets, trial.right, strict=True):
        weights = torch.as_tensor(Draw(trial.seed).normal(*right.shape)).double()
        double = _leaves([x.double() if _is_float(x) else x for x in inputs], exercise, names)
        with _Doubled():
            value = exercise.run(exercise.answer, double.inputs)
        wanted = torch.autograd.grad((value * weights).sum(), double.chosen, allow_unused=True)
        single = _leaves(inputs, exercise, names)
        try:
            value = trial.call(lambda given=single.inputs: exercise.run(trial.answer, given))
        except Trouble as trouble:
            return f"where gradients are computed {trouble}"
        if not (isinstance(value, Tensor) and value.requires_grad):
            return "the value is right, but no gradient flows through it. " + _CUT
        culprit = _watch(value.grad_fn)
        try:
            got = torch.autograd.grad((value * weights).sum(), single.chosen, allow_unused=True)
        except RuntimeError as error:
            return f"the value is right, but torch cannot differentiate it: {error}"
        for name, a, b in zip(names, got, wanted, strict=True):
            if a is None:
                return f"the value is right, but no gradient reaches {name}. {_CUT}"
            if not a.isfinite().all():
                by = f": the derivative of {culprit[0]} is not finite there" if culprit else ""
                return f"the value is right, but the gradient in {name} is {_first_bad(a)}{by}."
            if not torch.allclose(a.double(), b, rtol=1e-4, atol=1e-5 * max(1, _largest(b))):
                return f"the value is right, but the gradient in {name} is not. {_CUT}"
    return None


_CUT = "Compute with torch from the arguments themselves: no .detach(), .item(), no_grad or numpy."


class _leaves:
    """Copies of the inputs, and those of them in which gradients are asked for."""

    def __init__(self, inputs, exercise, names):
        self.inputs = copies(inputs)
        self.chosen = [self.inputs[exercise.names.index(name)].requires_grad_() for name in names]


def _watch(node):
    """A list that will name the first function whose backward pass makes finite into infinite."""
    found, seen, stack = [], set(), [node]

    def hook(name):
        def look(inputs, outputs):
            fine = all(g is None or g.isfinite().all() for g in outputs)
            if fine and not all(g is None or g.isfinite().all() for g in inputs) and not found:
                found.append(name.split("Backward")[0].lower())

        return look

    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            node.register_hook(hook(node.name()))
            stack += [following for following, _ in node.next_functions]
    return found


# Each of these looks at a trial and yields what is true of it.


def _repeated(t):
    again = t.result(t.sets[0])
    if again.shape != t.got[0].shape or not torch.equal(again.nan_to_num(), t.got[0].nan_to_num()):
        yield (
            "Two calls with the same arguments give different results: it draws random numbers of "
            "its own, or remembers something between calls."
        )


def _not_finite(t):
    for inputs, got in zip(t.sets, t.got, strict=True):
        if not got.isfinite().all():
            with (trace := _Trace()):
                t.call(lambda x=inputs: t.exercise.run(t.answer, copies(x)))
            yield f"It gives {_first_bad(got)} where a finite number is right. {trace.story()}"
            return


def _of_result(t):
    for words, f in _RESULT.items():
        if t.same(t.got, [f(right) for right in t.right]):
            yield f"Your result is {words} the right one."


def _sizes(t):
    if any(a.shape != b.shape for a, b in zip(t.got, t.right, strict=True)):
        return
    known = {}
    for k, name in enumerate(t.exercise.names):
        if all(isinstance(x[k], Tensor) for x in t.sets):
            for axis in range(t.sets[0][k].ndim):
                sizes = [x[k].shape[axis] for x in t.sets]
                known.setdefault(tuple(sizes), f"the length of axis {axis} of {name}")
        elif all(isinstance(x[k], (int, float)) for x in t.sets):
            known.setdefault(tuple(x[k] for x in t.sets), name)
    for values, words in known.items():
        for form, f in _OF_SIZE.items():
            size = [f(torch.tensor(float(v), dtype=torch.float64)) for v in values]
            text = form.format(words)
            for sign, more in ((1, "too large"), (-1, "too small")):
                if t.same(t.got, [r + sign * s for r, s in zip(t.right, size, strict=True)]):
                    yield f"Your result is {more} by {text}."
            if t.same(t.got, [r * s for r, s in zip(t.right, size, strict=True)]):
                yield f"Your result is the right one times {text}: is a sum or a mean meant?"
            if t.same(t.got, [r / s for r, s in zip(t.right, size, strict=True)]):
                yield f"Your result is the right one divided by {text}: is a sum or a mean meant?"


def _factor_and_offset(t):
    if any(a.shape != b.shape for a, b in zip(t.got, t.right, strict=True)):
        return
    got, right = (torch.cat([x.flatten() for x in each]) for each in (t.got, t.right))
    fine = got.isfinite() & right.isfinite()
    if fine.sum() < 3 or right[fine].std() == 0:
        return
    factor, offset = _line(right[fine], got[fine])
    for a, b in ((factor, 0.0), (1.0, offset), (factor, offset)):
        if abs(a) > 1e-6 and t.same(t.got, [a * r + b for r in t.right]):
            if b == 0:
                yield (
                    "The sign is flipped."
                    if abs(a + 1) < 1e-4
                    else f"It is {a:.4g} times the right result, for all inputs."
                )
            elif a == 1:
                yield f"It is too {'large' if b > 0 else 'small'} by {abs(b):.4g}, whatever the inputs."
            else:
                yield f"It is {a:.4g} times the right result {b:+.4g}, whatever the inputs."
            return


def _line(x, y):
    """Slope and offset of the line through points; where the line is steep or through 0, exactly."""
    both = torch.stack([x, torch.ones_like(x)], 1)
    slope, offset = torch.linalg.lstsq(both, y[:, None]).solution.flatten().tolist()
    if torch.allclose(y - x, (y - x).mean().expand_as(x), rtol=1e-4, atol=1e-6 * _largest(x)):
        return 1.0, (y - x).mean().item()
    ratio = (y[x != 0] / x[x != 0]).median().item()
    return (ratio, 0.0) if abs(offset) < 1e-4 * _largest(y) else (slope, offset)


def _reduced(t):
    axes = [*range(t.right[0].ndim)]
    for words, f in _REDUCTIONS.items():
        for axis in [*axes, tuple(axes)] if axes else []:
            over = f"axis {axis}" if isinstance(axis, int) else "all axes"
            if t.same(t.got, [f(r, axis) for r in t.right]):
                yield f"It is the {words} of the right result over {over}, where nothing is to be reduced."
    for words, f in _REDUCTIONS.items():
        for axis in range(t.got[0].ndim):
            if all(g.ndim == r.ndim + 1 for g, r in zip(t.got, t.right, strict=True)):
                if t.same([f(g, axis) for g in t.got], t.right):
                    yield f"It is right up to the last step: the {words} over axis {axis} is missing."


def _exchanged(t):
    names = t.exercise.names
    for i, j in combinations(range(len(names)), 2):
        order = [j if k == i else i if k == j else k for k in range(len(names))]
        if _agrees(t, lambda x, order=order: [x[k] for k in order]):
            yield f"Your result is the right one with {names[i]} and {names[j]} exchanged."


def _of_argument(t):
    for k, name in enumerate(t.exercise.names):
        for form, f in _ARGUMENT.items():
            if _agrees(t, lambda x, k=k, f=f: _with(x, k, f)):
                what = form.format(name)
                yield f"Your result is what is right for {what} in place of {name}."


def _unused(t):
    for k, name in enumerate(t.exercise.names):
        nudged = [_with(x, k, _nudge) for x in t.sets]
        if any(a is None for a in nudged):
            continue
        if t.same(map(t.exact, nudged), t.right):
            continue
        if all(torch.equal(t.result(x), g) for x, g in zip(nudged, t.got, strict=True)):
            yield f"Your result does not change with {name}, but the right one does."


def _mixed(t):
    inputs, got, right = t.sets[0], t.got[0], t.right[0]
    if got.shape != right.shape:
        return
    for k, name in enumerate(t.exercise.names):
        for axis in range(inputs[k].ndim if _is_float(inputs[k]) else 0):
            other = _with(inputs, k, lambda x, axis=axis: _all_but_first(x, axis))
            kept = ~t.differs(t.exact(other), right, t.slack[0])
            moved = t.differs(t.result(other), got, t.slack[0])
            if (kept & moved).any():
                yield (
                    f"Entries of your result change with entries of {name} that lie elsewhere "
                    f"along axis {axis}; the right ones do not: something is mixed along that axis."
                )


def _right_where(t):
    for k, name in enumerate(t.exercise.names):
        for form, f in _WHERE.items():
            if _right_on(t, [_with(x, k, f) for x in t.sets]):
                yield f"It is right where {form.format(name)}, and only there: look at {name}."


def _parts(t):
    names = t.exercise.names
    if len(names) < 2 or any(a.shape != b.shape for a, b in zip(t.got, t.right, strict=True)):
        return
    guilty = []
    for k, name in enumerate(names):
        for x, got, right in zip(t.sets, t.got, t.right, strict=True):
            other = _with(x, k, _nudge)
            if other is None:
                return
            near = 1e-4 * max(_largest(got - right), _largest(right) * 1e-2)
            change = (t.result(other) - t.exact(other)) - (got - right)
            if not change.abs().max() < near:
                guilty.append(name)
                break
    innocent = [name for name in names if name not in guilty]
    if guilty and innocent:
        yield (
            f"The difference from the right result changes with {_and(guilty)}, not with "
            f"{_and(innocent)}: look at how {_and(guilty)} {'enter' if guilty[1:] else 'enters'}."
        )


_RESULT = {
    "the exponential of": torch.exp,
    "the logarithm of": torch.log,
    "the square of": torch.square,
    "the square root of": torch.sqrt,
    "the reciprocal of": torch.reciprocal,
    "the absolute value of": torch.abs,
    "the sigmoid of": torch.sigmoid,
    "the softmax of": lambda x: x.softmax(-1) if x.ndim else x,
    "one minus": lambda x: 1 - x,
    "the transpose of": lambda x: x.mT if x.ndim > 1 else x,
}
_OF_SIZE = {
    "{}": lambda n: n,
    "the logarithm of {}": torch.log,
    "{} minus 1": lambda n: n - 1,
    "{0} over {0} minus 1": lambda n: n / (n - 1),
    "the root of {}": torch.sqrt,
    "1 minus {}": lambda n: 1 - n,
}
_REDUCTIONS = {"sum": torch.sum, "mean": torch.mean, "largest entry": torch.amax}
_ARGUMENT = {
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
    "the first entry of {} everywhere": lambda x: x[:1].expand_as(x) if x.ndim else x,
}
_WHERE = {
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
    """Notes where finite numbers first became infinite or nan, and where exp first gave 0."""

    bad = under = None

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        with torch._C.DisableTorchFunction():
            self._look(func.__name__.strip("_"), out, [x for x in args if isinstance(x, Tensor)])
        return out

    def _look(self, name, out, given):
        if not (isinstance(out, Tensor) and out.is_floating_point() and given):
            return
        x = given[0]
        if name in ("exp", "sigmoid", "softmax") and (zero := (out == 0)).any() and not self.under:
            self.under = f"{name}({x[zero][0].item():.4g}) has underflowed to 0"
        if self.bad or out.isfinite().all() or not all(g.isfinite().all() for g in given):
            return
        at = ~out.isfinite()
        values = [
            g.expand(out.shape)[at][0].item() if g.numel() == 1 or g.shape == out.shape else None
            for g in given
        ]
        shown = ", ".join(f"{v:.4g}" for v in values if v is not None)
        self.bad = f"It first appears in {name}({shown or '...'}), which is {out[at][0].item()}"

    def story(self):
        return " ".join(
            f"{part}." for part in (self.bad, self.under and f"Before, {self.under}") if part
        )


def _given(value):
    """A result that is none means: not answered yet."""
    if value is None or value is ...:
        raise NotImplementedError
    return value


def _agrees(t, change):
    """Whether the answer's results are the right ones for changed inputs."""
    try:
        changed = [change(x) for x in t.sets]
        return not any(x is None for x in changed) and t.same(t.got, [t.exact(x) for x in changed])
    except Exception:  # the reference may raise anything on inputs that are not meant for it
        return False


def _right_on(t, sets):
    """Whether the answer is right on other sets of inputs, which differ from the trial's."""
    try:
        if all(map(_equal, sets, t.sets)):
            return False
        return t.same(map(t.result, sets), map(t.exact, sets))
    except Exception:  # changed inputs may be none that answer or reference can take
        return False


def _with(inputs, k, f):
    """The inputs with f applied to the k-th; None where it is no number that f can change."""
    x = inputs[k]
    if _is_float(x) or (f is _nudge and isinstance(x, Tensor)):
        x = f(x)
    elif isinstance(x, (int, float)):
        value = f(
            torch.tensor(
                x if f is _nudge else float(x), dtype=None if f is _nudge else torch.float64
            )
        ).item()
        x = int(value) if isinstance(x, int) and value == value // 1 else value
    else:
        return None
    return (*inputs[:k], x, *inputs[k + 1 :])


def _nudge(x):
    if x.is_floating_point():
        return 0.93 * x
    return x.roll(1, 0) if x.ndim else x + 1


def _all_but_first(x, axis):
    first, rest = x.split([1, x.shape[axis] - 1], axis)
    return torch.cat([first, 0.93 * rest], axis)


def _equal(a, b):
    return all(
        torch.equal(x, y) if isinstance(x, Tensor) else x == y for x, y in zip(a, b, strict=True)
    )


def _is_float(x):
    return isinstance(x, Tensor) and x.is_floating_point()


def _is_whole(value):
    return isinstance(value, int) or (isinstance(value, Tensor) and not value.is_floating_point())


def _largest(x):
    finite = x[x.isfinite()]
    return finite.abs().max().item() if finite.numel() else 0.0


def _first_bad(x):
    at = (~x.isfinite()).nonzero()[0].tolist()
    return f"{x[tuple(at)].item()}" + (f" at index {at}" if at else "")


def _shape(x):
    return f"shape {tuple(x.shape)}" if x.ndim else "one number"


def _at(x, name, index, right):
    if isinstance(x, Tensor) and x.shape == right.shape:
        return f"{name}{list(index) or ''} = {x[index].item():.6g}"
    if isinstance(x, Tensor) and x.numel() > 1:
        return f"{name} of shape {tuple(x.shape)}"
    return f"{name} = {x.item() if isinstance(x, Tensor) else x:.6g}"


def _and(names):
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
