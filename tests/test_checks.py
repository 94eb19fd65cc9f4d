"""The checks accept what is right, name what is wrong, and never stop a student."""

from labutils.checks import check
from labutils.exercises import EXERCISES

import pytest
import torch

MISTAKES = [(name, *mistake) for name, e in EXERCISES.items() for mistake in e.mistakes]


def raise_not_implemented(*_):
    raise NotImplementedError


@pytest.mark.parametrize("name", EXERCISES)
def test_the_reference_is_right(name, capsys):
    reference = EXERCISES[name].reference
    assert check(name, reference) is reference
    assert capsys.readouterr().out == f"{name}: right.\n"


@pytest.mark.parametrize(("name", "wrong", "hint"), MISTAKES)
def test_each_known_mistake_gets_its_hint(name, wrong, hint, capsys):
    assert check(name, wrong) is EXERCISES[name].reference
    assert hint in capsys.readouterr().out


@pytest.mark.parametrize("name", EXERCISES)
def test_each_exercise_knows_at_least_three_mistakes(name):
    assert len({hint for _, hint in EXERCISES[name].mistakes}) >= 3


@pytest.mark.parametrize("name", EXERCISES)
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "not answered yet"),
        (..., "not answered yet"),
        (lambda *_: None, "not answered yet"),
        (lambda *_: ..., "not answered yet"),
        (3, "expected a function, got int"),
        (lambda *_: 1 / 0, "it raised ZeroDivisionError"),
        (lambda *_: 1 / 0, "It was called with "),
        (raise_not_implemented, "not answered yet"),
        (lambda: 0, "it raised TypeError"),
        (lambda *_: "seven", "it returned a str, not a number or a tensor"),
        (lambda *_: torch.zeros(11, 13), "got a tensor of shape (11, 13)"),
        (lambda *_: float("nan"), "got"),
        (lambda *inputs: [x.zero_() for x in inputs if torch.is_tensor(x)], "it raised"),
    ],
)
def test_any_other_answer_is_said_to_be_wrong_and_the_reference_goes_on(
    name, answer, message, capsys
):
    assert check(name, answer) is EXERCISES[name].reference
    assert message in capsys.readouterr().out


def test_a_right_value_whose_gradient_is_cut_off_is_not_right(capsys):
    name = "reparameterise"
    check(name, lambda mean, log_var, eps: (mean + (log_var / 2).exp() * eps).detach())
    assert "gradient" in capsys.readouterr().out


def test_an_answer_cannot_spoil_the_inputs_for_the_next_student(capsys):
    def careless(mean, log_var):
        with torch.no_grad():
            return (mean.mul_(0) + log_var.mul_(0)).sum(-1)

    check("kl_gaussian", careless)
    check("kl_gaussian", EXERCISES["kl_gaussian"].reference)
    assert capsys.readouterr().out.endswith("kl_gaussian: right.\n")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(KeyError, match="kl_gaussian"):
        check("kl_gausian", lambda: 0)


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_answers_are_checked_where_gradients_are_off(off, capsys):
    reference = EXERCISES["kl_gaussian"].reference

    def constant(mean, log_var):
        return reference(mean.detach(), log_var.detach())

    with off():
        check("kl_gaussian", reference)
        check("kl_gaussian", constant)
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first == "kl_gaussian: right."
    assert "not its gradient" in second


def test_answers_are_checked_where_doubles_are_the_default(capsys):
    torch.set_default_dtype(torch.float64)
    try:
        check("kl_gaussian", EXERCISES["kl_gaussian"].reference)
    finally:
        torch.set_default_dtype(torch.float32)
    assert capsys.readouterr().out == "kl_gaussian: right.\n"
