"""Each kind of exercise, on a small one of its own."""

from labutils import exercises
from labutils.exercises import check
from labutils.exercises.kinds import (
    Choice,
    Exercise,
    Loop,
    Module,
    Several,
    derivation,
)

import math

import pytest
import torch
from torch import nn


class Layer(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.proj = nn.Linear(inputs, outputs)

    def forward(self, x):
        return self.proj(x).relu()


class Linear(Layer):
    def forward(self, x):
        return self.proj(x)


class Renamed(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)


def train(model, batches, optimiser, loss):
    model.train()
    for x, y in batches:
        optimiser.zero_grad()
        loss(model(x), y).backward()
        optimiser.step()


def never_zero(model, batches, optimiser, loss):
    model.train()
    for x, y in batches:
        loss(model(x), y).backward()
        optimiser.step()


def step_too_early(model, batches, optimiser, loss):
    model.train()
    for x, y in batches:
        optimiser.zero_grad()
        optimiser.step()
        loss(model(x), y).backward()


def evaluation_mode(model, batches, optimiser, loss):
    model.eval()
    for x, y in batches:
        optimiser.zero_grad()
        loss(model(x), y).backward()
        optimiser.step()


def given(weight, x, y):
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).to(weight.dtype)
    model[0].weight.data = weight
    model[0].bias.data.zero_()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    return model, list(zip(x, y, strict=True)), optimiser, nn.functional.mse_loss


def given_deep(weight, x, y):
    """A model with two layers: the gradient of the first needs the weights of the second."""
    model, batches, _, loss = given(weight, x, y)
    model.append(nn.Linear(2, 2).to(weight.dtype))
    return model, batches, torch.optim.SGD(model.parameters(), lr=0.1), loss


def log_q(mean, z):
    return -0.5 * (math.log(2 * math.pi) + (z - mean) ** 2).sum(-1)


def log_p(mean, z):
    return -0.5 * (math.log(2 * math.pi) + z**2).sum(-1)


def difference(mean, z):
    return log_q(mean, z) - log_p(mean, z)


def moments(x, r):
    mean = r @ x / r.sum()
    return mean, (r[:, None] * (x - mean)).T @ (x - mean)


def mean_of_all(x):
    return x.mean(0)


OWN = {
    "layer": Module(
        "",
        Layer,
        inputs=lambda draw: ((d := draw.integers(2, 6), 3), draw.normal(4, d)),
        mistakes={Linear: ("Without ReLU it is one linear map.", "Apply relu.")},
    ),
    "loop": Loop(
        "",
        train,
        inputs=lambda draw: (draw.normal(2, 3), draw.normal(5, 4, 3), draw.normal(5, 4, 2)),
        mistakes={
            never_zero: ("Gradients of all batches so far add up.", "Set them to zero."),
            step_too_early: ("It steps along the gradient of the batch before.", "Step last."),
            evaluation_mode: ("The model is in evaluation mode.", "Call model.train()."),
        },
        given=given,
    ),
    "which": Choice("", "b", mistakes={"a": ("Not a, for a reason.", "Look there.")}),
    **derivation(
        "kl",
        "3.5",
        lambda draw: (draw.normal(4, 3), draw.normal(4, 3)),
        lines={
            log_q: {},
            log_p: {},
            difference: {
                "(mean * z - mean**2).sum(-1)": ("A half is missing.", "Expand."),
                "log_p(mean, z) - log_q(mean, z)": ("It is negative.", "Exchange them."),
            },
        },
    ),
    "moments": Several(
        "",
        moments,
        lambda draw: (draw.normal(5, 2), draw.positive(5)),
        parts={"mean": (2,), "covariance": (2, 2)},
        mistakes={
            "(moments(x, r)[0], moments(x, r)[1].diag().diag())": ("They vary.", "Take products.")
        },
    ),
}


@pytest.fixture(autouse=True)
def own(monkeypatch):
    for name, exercise in OWN.items():
        monkeypatch.setitem(exercises.EXERCISES, name, exercise)
    monkeypatch.setattr(exercises, "_tried", {})


@pytest.mark.parametrize("name", OWN)
def test_the_answer_of_each_kind_is_right(name, capsys):
    assert check(name, OWN[name].answer) is OWN[name].answer
    assert capsys.readouterr().out.startswith(f"{name}: right")


@pytest.mark.parametrize("name", OWN)
def test_each_mistake_of_each_kind_is_named_in_two_steps(name, capsys):
    for mistake, (what, fix) in OWN[name].wrong_answers():
        exercises._tried.clear()
        assert check(name, mistake) is OWN[name].answer
        assert f"{name}: {what}" in capsys.readouterr().out
        check(name, mistake, fix=True)
        assert fix in capsys.readouterr().out


def test_a_module_has_to_have_the_parameters_asked_for(capsys):
    check("layer", Renamed)
    text = capsys.readouterr().out
    assert "expected the parameters {'proj.weight': (" in text
    assert "got {'layer.weight': (" in text
    check("layer", Layer(3, 2))
    assert "expected a class of nn.Module, got Layer." in capsys.readouterr().out


def test_a_module_that_knows_its_sizes_by_heart_is_wrong(capsys):
    class Fixed(Layer):
        def __init__(self, inputs, outputs):
            super().__init__(4, 3)

    check("layer", Fixed)
    assert "expected the parameters" in capsys.readouterr().out


def test_a_changed_class_is_a_changed_answer():
    def written(body):
        """A class of which no source is found, as of one that a notebook defines."""
        namespace = {"nn": nn}
        exec(f"class Net(nn.Module):\n    def forward(self, x):\n        {body}", namespace)
        return exercises.digest(namespace["Net"])

    assert written("return x") == written("return x") != written("return x.relu()")


def test_what_is_observed_of_a_module_is_compared_and_named(capsys):
    observed = Module(
        "",
        Layer,
        inputs=lambda draw: ((2, 3), draw.normal(4, 2)),
        observe=lambda model, x: torch.stack([model(x), model(-x)]),
        entry=lambda sign, row, column: f"With the sign {sign}, output {column} of row {row}",
    )

    class Odd(Layer):
        def forward(self, x):
            return self.proj(x).relu() + (x < 0).any(1, keepdim=True)

    assert exercises.verdict(observed, Layer, "own")[0]
    text = exercises.verdict(observed, Odd, "own")[1]
    assert "With the sign 0, output 0 of row " in text or "With the sign 1, output 0" in text


def test_a_step_between_a_loss_and_its_gradient_is_named(capsys):
    def too_early(model, batches, optimiser, loss):
        model.train()
        for x, y in batches:
            value = loss(model(x).exp(), y)
            optimiser.step()
            value.backward()

    deep = Loop("", train, OWN["loop"].inputs, given=given_deep)
    assert "between a loss and its backward()" in exercises.verdict(deep, too_early, "own")[1]


def test_a_loop_says_which_weight_differs():
    def half_a_step(model, batches, optimiser, loss):
        optimiser.param_groups[0]["lr"] /= 2
        train(model, batches, optimiser, loss)

    assert "After the loop, weight 0 is " in exercises.verdict(OWN["loop"], half_a_step, "own")[1]


def test_a_loop_that_is_written_otherwise_is_right(capsys):
    def other(model, batches, optimiser, loss):
        for x, y in batches:
            error = loss(model.train()(x), y)
            model.zero_grad()
            error.backward()
            optimiser.step()

    check("loop", other)
    assert capsys.readouterr().out == "loop: right.\n"


def test_a_loop_to_come_is_not_answered_yet(capsys):
    def to_come(model, batches, optimiser, loss):
        """One pass over the batches."""
        ...

    check("loop", to_come)
    assert "not answered yet" in capsys.readouterr().out


def test_a_choice_outside_the_options_lists_them(capsys):
    check("which", "c")
    assert "expected one of a, b, as a text, got 'c'" in capsys.readouterr().out


def test_a_letter_is_no_answer_where_a_function_is_to_be_mended(capsys):
    for name in ("mixture_sampler", "mixture_prior"):
        check(name, "B")
        assert "expected a function, got str." in capsys.readouterr().out


def test_a_line_of_a_derivation_has_mistakes_of_its_own(capsys):
    check("kl.3", lambda mean, z: (mean * z - mean**2).sum(-1))
    assert capsys.readouterr().out.startswith("kl.3: A half is missing.")


def test_no_line_of_a_derivation_takes_the_answer_of_another(capsys):
    for k, answer in enumerate([log_q, log_p, difference], start=1):
        for line in (1, 2, 3):
            check(f"kl.{line}", answer)
            text = capsys.readouterr().out
            assert text.startswith(f"kl.{line}: " + ("right" if k == line else f"That is kl.{k}."))


def test_of_several_results_the_wrong_entry_is_named(capsys):
    def rounded(x, r):
        mean, covariance = moments(x, r)
        return mean, covariance + torch.tensor([[0, 0], [0.1, 0]])

    check("moments", rounded)
    assert "covariance[1, 0] is " in capsys.readouterr().out
    check("moments", lambda x, r: moments(x, r)[::-1])
    assert "of mean (2,), got (2, 2); of covariance (2, 2), got (2,)" in capsys.readouterr().out


def test_the_right_result_is_not_called_as_an_argument_is(capsys):
    check("moments", lambda x, r: tuple(-part for part in moments(x, r)))
    assert "Your result is -y, where y is the right one." in capsys.readouterr().out


def test_a_line_says_whether_it_is_exact(capsys):
    check("kl.3", lambda mean, z: (mean * z - mean**2 / 2).sum(-1))
    assert capsys.readouterr().out == "kl.3: right, to rounding.\n"
    check("kl.3", lambda mean, z: difference(mean.double(), z.double()))
    assert capsys.readouterr().out == "kl.3: right, exactly.\n"
    check("kl.3", lambda mean, z: difference(mean, z) + z[:, 0] ** 3)
    assert " instead of " in capsys.readouterr().out


def test_a_mistake_may_be_an_expression_that_names_the_answer():
    exercise = Exercise(
        "",
        mean_of_all,
        lambda draw: (draw.normal(4, 3),),
        mistakes={"2 * mean_of_all(x)": ("a", "b")},
    )
    assert exercises.verdict(exercise, lambda x: x.mean(0) * 2, "s")[1:][1] == "b"
