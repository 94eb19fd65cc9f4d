"""Nothing that an answer does harms the notebook."""

from labutils.exercises import EXERCISES, check, limits

import random
import signal
import sys
import threading
import time

import numpy as np
import pytest
import torch

NAME = "kl_gaussian"
KL = EXERCISES[NAME].answer


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 0.3)
    monkeypatch.setattr(limits.Caller.__init__, "__defaults__", (0.3,))


def endless(mean, log_var):
    while True:
        pass


def endless_and_stubborn(mean, log_var):
    while True:
        try:
            time.sleep(0.001)
        except Exception:
            continue


def endless_and_stubborn_to_the_last(mean, log_var):
    for _ in range(3):
        try:
            while True:
                pass
        except BaseException:
            continue


def deep(mean, log_var):
    return deep(mean, log_var)


def ends(mean, log_var):
    sys.exit("goodbye")


class Odd(BaseException):
    pass


def raises_oddly(mean, log_var):
    raise Odd("nothing of the usual")


def says_everything(mean, log_var):
    raise ValueError("a" * 1_000_000)


HARMFUL = {
    endless: "it was stopped after 0.3 seconds",
    endless_and_stubborn: "it was stopped after 0.3 seconds",
    endless_and_stubborn_to_the_last: "",
    deep: "it calls itself without end",
    ends: "it ends the program",
    raises_oddly: "it raised Odd: nothing of the usual",
    says_everything: "it raised ValueError: aaa",
}


@pytest.mark.parametrize("answer", HARMFUL, ids=lambda f: f.__name__)
def test_what_would_end_or_block_the_notebook_gets_one_message(answer, capsys):
    assert check(NAME, answer) is KL
    text = capsys.readouterr().out
    assert HARMFUL[answer] in text
    assert text.endswith("The cells below use the reference answer.\n")
    assert len(text) < 1000


@pytest.mark.parametrize("answer", [endless, endless_and_stubborn], ids=lambda f: f.__name__)
def test_a_thread_is_interrupted_too(answer, capsys):
    found = []
    thread = threading.Thread(target=lambda: found.append(check(NAME, answer)), daemon=True)
    thread.start()
    thread.join(60)
    assert found == [KL]
    assert "it was stopped after 0.3 seconds" in capsys.readouterr().out


def test_no_interruption_strikes_after_the_call(monkeypatch):
    """Strikes as fast as they go: the second ones come while the call is being left."""
    monkeypatch.setattr(limits, "AGAIN", 0.0)
    for _ in range(100):
        with pytest.raises(limits.Trouble, match="stopped after 0.001 seconds"):
            limits.Caller(0.001)(endless)
        sum(range(100_000))  # what is on its way would strike in it


def endless():
    while True:
        abs(-1)


def test_an_answer_that_computes_for_long_keeps_its_own_time_limit_for_all_calls(capsys):
    def slow(mean, log_var):
        time.sleep(0.14)
        return KL(mean, log_var)

    check(NAME, slow)
    assert "it was stopped" in capsys.readouterr().out


def test_the_student_may_still_interrupt():
    def impatient(mean, log_var):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(NAME, impatient)


def test_a_million_characters_are_cut(capsys):
    def chatty(mean, log_var):
        for _ in range(1000):
            print("x" * 999)
        return KL(mean, log_var)

    assert check(NAME, chatty) is chatty
    text = capsys.readouterr().out
    assert len(text) < 3000
    assert "It prints more than is shown here." in text
    assert text.endswith(f"{NAME}: right.\n")


def test_a_few_words_are_shown(capsys):
    def talks(mean, log_var):
        print("shape", tuple(mean.shape))
        return KL(mean, log_var)

    check(NAME, talks)
    assert "shape (4, 3)" in capsys.readouterr().out


def test_an_answer_that_changes_its_arguments_is_told_so(capsys):
    def careless(mean, log_var):
        with torch.no_grad():
            mean.mul_(2)
        return KL(mean / 2, log_var)

    assert check(NAME, careless) is KL
    assert "it changes its argument mean in place" in capsys.readouterr().out
    assert check(NAME, KL) is KL
    assert capsys.readouterr().out == f"{NAME}: right.\n"


def meddle(mean, log_var):
    result = KL(mean, log_var)
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.set_grad_enabled(False)
    sys.stdout = sys.__stderr__
    return result


def test_what_an_answer_sets_is_undone_before_it_is_called_again():
    assert check(NAME, meddle) is meddle


def state():
    return (
        torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(), id(sys.stdout), id(sys.stderr),
        torch.get_rng_state().sum().item(), np.random.get_state()[1].sum(), random.getstate(),
        signal.getsignal(signal.SIGALRM) if hasattr(signal, "SIGALRM") else None,
    )  # fmt: skip


@pytest.mark.parametrize("answer", [meddle, KL, *HARMFUL], ids=lambda f: f.__name__)
def test_modes_seeds_and_stdout_are_as_before(answer):
    torch.rand(1)
    before = state()
    check(NAME, answer)
    assert state() == before


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_answers_are_checked_where_gradients_are_off(off, capsys):
    def constant(mean, log_var):
        return KL(mean.detach(), log_var.detach())

    with off():
        check(NAME, KL)
        check(NAME, constant)
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first == f"{NAME}: right."
    assert "no gradient reaches mean" in second


def test_answers_are_checked_where_doubles_are_the_default(capsys):
    torch.set_default_dtype(torch.float64)
    try:
        for name, exercise in EXERCISES.items():
            assert check(name, exercise.answer) is exercise.answer
    finally:
        torch.set_default_dtype(torch.float32)
