"""What is refused, in one clear sentence each: what was expected, what came, what to do."""

import math
import operator
from numbers import Real

import torch


def whole_number(value: object, name: str, low: int = 1, high: int | None = None) -> int:
    """`value` as an int, if it is a whole number from `low` to `high`. Raises ValueError."""
    try:
        number = operator.index(value)  # of numpy's integers too
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        allowed = f"{low} or more" if high is None else f"from {low} to {high:,}"
        raise ValueError(f"{name} must be a whole number, {allowed}, got {value!r}.")
    return number


def finite_logits(logits: torch.Tensor) -> None:
    """Raise ValueError where a logit is NaN or infinite."""
    if not logits.isfinite().all():
        wrong = logits[~logits.isfinite()][0].item()
        raise ValueError(f"Logits must be finite, got {wrong}: has the training diverged?")


def tensor(value: object, name: str) -> None:
    """Raise ValueError unless `value` is a torch tensor."""
    if not isinstance(value, torch.Tensor):
        raise ValueError(
            f"{name} must be a torch tensor, got {_kind(value)}. Try torch.as_tensor(...)."
        )


def pixels(images: torch.Tensor, name: str = "images") -> None:
    """Raise ValueError unless images is a floating-point tensor with values in [0, 1]."""
    tensor(images, name)
    if not images.is_floating_point():
        raise ValueError(
            f"{name} must be floating-point numbers in [0, 1], got {images.dtype}. "
            f"Try .float(), and divide bytes by 255."
        )
    if images.numel():
        low, high = torch.aminmax(images.detach())
        if not (low >= 0 and high <= 1):  # false for NaN, too
            raise ValueError(
                f"{name} must lie in [0, 1], got values from {low:g} to {high:g}. "
                f"Divide bytes by 255."
            )


def positive(value: object, name: str, suggestion: str) -> float:
    """`value` as a float, if it is a positive, finite number. Raises ValueError."""
    if not isinstance(value, Real) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a positive number, got {value!r}. Try {suggestion}.")
    return float(value)


def nats_per_image(values: torch.Tensor, name: str = "nats", count: int | None = None) -> None:
    """Raise ValueError unless values is a finite tensor (N,), N = count or at least 2."""
    if not isinstance(values, torch.Tensor) or values.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"{name} must be a tensor with one value in nats for each of at least 2 images, got "
            f"{_kind(values)}."
        )
    if count is not None and len(values) != count:
        raise ValueError(
            f"{name} needs one value for each of the {count:,} images, got {len(values):,}."
        )
    wrong = int((~values.isfinite()).sum())
    if wrong:
        raise ValueError(
            f"{name} must be finite, got {wrong} values that are not: one image that the model "
            f"considers impossible makes the whole mean minus infinity."
        )


def function(value: object, name: str, form: str) -> None:
    """Raise ValueError unless `value` can be called; `form` says how."""
    if not callable(value):
        raise ValueError(f"{name} must be a function, {form}, got {value!r:.80}.")


def gradients(model: torch.nn.Module) -> None:
    """Raise ValueError where backward() has given none of the model's weights a gradient."""
    if all(weight.grad is None for weight in model.parameters()):
        raise ValueError(
            "The loss does not depend on the weights of the model that is trained. Compute it from "
            "the model that it is called with, not from another one."
        )


def loss(value: object) -> None:
    """Raise ValueError unless value is one number that depends on the weights."""
    if not isinstance(value, torch.Tensor) or value.ndim:
        got = f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else repr(value)
        raise ValueError(
            f"The loss must be one number, the mean over a batch, as a tensor, got {got}. "
            f"Return it, and end it in .mean()."
        )
    if torch.is_grad_enabled() and not value.requires_grad:
        raise ValueError(
            "The loss does not depend on the model's weights. Compute it from the model's output, "
            "without .detach(), .item(), no_grad or numpy."
        )


def _kind(value):
    """What was passed, for a message: the shape of a tensor, the type of anything else."""
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"{type(value).__module__}.{type(value).__name__}"
