"""Checks of a student's answers: they compare with a reference, and name the mistake.

An exercise is a function that the student writes. It is tried on fixed inputs; where its value,
or the gradient that flows through it, differs from the reference, it is compared with the wrong
functions that students are known to write, each of which comes with a hint.
"""

from labutils.exercises import EXERCISES
from labutils.runtime import plain_torch

import torch


def check(name: str, answer: object) -> object:
    """Compare the function `answer` with the reference of the exercise `name`.

    Returns the answer if it is right. Otherwise says what is wrong and returns the reference,
    so that the cells that follow work. Raises KeyError for a name that is no exercise.
    """
    if name not in EXERCISES:
        raise KeyError(f"There is no exercise {name!r}. There are: {', '.join(EXERCISES)}.")
    with plain_torch():  # also where the student has switched gradients off
        problem = _problem(EXERCISES[name], answer)
    if problem is None:
        print(f"{name}: right.")
        return answer
    print(f"{name}: {problem}\nThe cells below use the reference answer.")
    return EXERCISES[name].reference


def _problem(exercise, answer):
    """What is wrong with the answer, in words; None if nothing is."""
    if answer is None or answer is ...:
        return "not answered yet."
    if not callable(answer):
        return f"expected a function, got {type(answer).__name__}."
    expected, expected_gradient = _outcome(exercise.reference, exercise.inputs)
    try:
        got, gradient = _outcome(answer, exercise.inputs)
    except NotImplementedError:
        return "not answered yet."
    except Exception as error:  # a student's function may raise anything
        arguments = ", ".join(map(_argument, exercise.inputs))
        return f"it raised {type(error).__name__}: {error}\nIt was called with {arguments}."
    if got is None:
        return "not answered yet: it returns nothing."
    if got.shape == expected.shape and _close(got, expected):
        if not exercise.differentiable or _close(gradient, expected_gradient):
            return None
        return (
            "the value is right, but not its gradient. Compute with torch from the arguments "
            "themselves: no .detach(), .item(), no_grad or numpy."
        )
    hints = [
        hint for wrong, hint in exercise.mistakes if _same(got, _outcome(wrong, exercise.inputs)[0])
    ]
    if got.shape != expected.shape:
        problem = f"expected {_shape(expected)}, got {_shape(got)}."
    else:
        problem = f"got {_first(got, expected)} where {_first(expected, got)} is right."
    return "\n".join([problem, *hints[:1]])


def _outcome(function, inputs):
    """The value of the function, and its gradient with respect to all its real inputs."""
    inputs = [
        x.clone().requires_grad_(x.is_floating_point()) if torch.is_tensor(x) else x for x in inputs
    ]
    value = function(*inputs)
    if value is None or value is ...:
        return None, None
    if isinstance(value, (int, float)):
        value = torch.tensor(float(value))
    if not torch.is_tensor(value):
        raise TypeError(f"it returned a {type(value).__name__}, not a number or a tensor")
    real = [x for x in inputs if torch.is_tensor(x) and x.requires_grad]
    gradients = [torch.zeros_like(x) for x in real]
    if value.requires_grad:
        gradients = torch.autograd.grad(
            value.sum(), real, allow_unused=True, materialize_grads=True
        )
    return value.detach(), torch.cat([torch.zeros(1), *(g.flatten() for g in gradients)])


def _same(a, b):
    return a.shape == b.shape and _close(a, b)


def _close(a, b):
    return torch.allclose(a, b.to(a.dtype), rtol=1e-5, atol=1e-5, equal_nan=True)


def _argument(value):
    return _shape(value) if torch.is_tensor(value) else repr(value)


def _shape(tensor):
    return f"a tensor of shape {tuple(tensor.shape)}" if tensor.ndim else "one number"


def _first(tensor, other):
    """The first number of `tensor` that differs from that of `other`."""
    differs = ~torch.isclose(tensor, other.to(tensor.dtype), rtol=1e-5, atol=1e-5)
    return f"{tensor[differs][0].item():.7g}"
