"""The check accepts what is right, gives reasons for what is wrong, in two steps."""

from labutils import exercises
from labutils.exercises import CONFIRMED_ON, EXERCISES, SETS, check, digest, named
from labutils.exercises.kinds import Choice, Draw, Exercise, Line, Loop, Module, Several
from labutils.exercises.limits import Caller
from labutils.exercises.remarks import Trial, remarks

import json
import math
import time
from datetime import date

import numpy as np
import pytest
import scipy.special
import torch
from torch.nn import functional as F

MISTAKES = [
    (name, index) for name, e in EXERCISES.items() for index in range(len(list(e.wrong_answers())))
]
every = pytest.mark.parametrize("name", EXERCISES)
compared = pytest.mark.parametrize(
    "name", [name for name, e in EXERCISES.items() if not isinstance(e, Choice)]
)
functions = pytest.mark.parametrize(
    "name", [n for n, e in EXERCISES.items() if not isinstance(e, (Choice, Module, Loop, Several))]
)


@pytest.fixture(autouse=True)
def nobody_has_tried(monkeypatch):
    monkeypatch.setattr(exercises, "_tried", {})
    monkeypatch.setattr(exercises, "_here", {"solved": {}, "hints": {}, "predictions": {}})


def said(capsys, name, answer, **options):
    """What the check says of an answer, without the line on the reference."""
    returned = check(name, answer, **options)
    text = capsys.readouterr().out
    right = text.startswith(f"{name}: right")
    assert returned is (answer if right else EXERCISES[name].answer)
    assert right or text.endswith("The cells below use the reference answer.\n")
    return text


@every
def test_the_reference_is_right(name, capsys):
    how = ", exactly" if isinstance(EXERCISES[name], Line) else ""
    assert said(capsys, name, EXERCISES[name].answer) == f"{name}: right{how}.\n"


@pytest.mark.parametrize(("name", "index"), MISTAKES)
def test_each_known_mistake_is_named_in_two_steps(name, index, capsys):
    wrong, (what, fix) = list(EXERCISES[name].wrong_answers())[index]
    first = said(capsys, name, wrong)
    assert what in first
    assert fix not in first
    assert said(capsys, name, wrong) == first, "the same answer again is no new attempt"
    check(name, lambda *_: "something else")
    capsys.readouterr()
    second = said(capsys, name, wrong)
    assert what in second
    assert fix in second


def test_the_fix_is_said_on_request(capsys):
    wrong, (what, fix) = next(EXERCISES["kl_gaussian"].wrong_answers())
    assert {what, fix} <= set(said(capsys, "kl_gaussian", wrong, fix=True).split("\n")) or (
        fix in said(capsys, "kl_gaussian", wrong, fix=True)
    )


@compared
def test_mistakes_differ_from_the_answer_and_from_each_other(name):
    exercise = EXERCISES[name]
    trial = Trial(exercise, exercise.answer, "distinct", Caller(60), 20)
    results = []
    for wrong, words in exercise.wrong_answers():
        got = list(trial.results(wrong))
        assert not trial.same(got, trial.right)
        for other, others_words in results:
            assert words == others_words or not trial.same(got, other), (words, others_words)
        results.append((got, words))


@functions
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
        (lambda: 0, "it raised TypeError"),
        (lambda *_: "seven", "it returned a str, not a number or a tensor"),
        (lambda *_: np.array(["seven"]), "it returned a ndarray, not a number or a tensor"),
        (lambda *_: torch.zeros(11, 13), "It returns a tensor of shape (11, 13)"),
        (lambda *_: torch.zeros(3, dtype=torch.half), "it returned torch.float16"),
        (lambda *_: np.zeros(3, np.float16), "it returned torch.float16"),
        (lambda *_: 1j, "it returned complex numbers"),
        (lambda *_: torch.zeros(3, dtype=torch.cfloat), "it returned complex numbers"),
        (lambda *_: torch.zeros(3, 3).to_sparse(), "it returned a sparse tensor"),
        (lambda *_: torch.zeros(3, device="meta"), "it returned a tensor on the device meta"),
    ],
)
def test_any_other_answer_gets_a_true_sentence(name, answer, message, capsys):
    assert message in said(capsys, name, answer)


def test_an_answer_to_come_is_no_wrong_one(capsys):
    def to_come(mean, log_var):
        raise NotImplementedError

    def empty(mean, log_var):
        """Eq. 3.7."""

    for answer in (to_come, empty):
        assert "not answered yet" in said(capsys, "kl_gaussian", answer)
    wrong, (_, fix) = next(EXERCISES["kl_gaussian"].wrong_answers())
    assert fix not in said(capsys, "kl_gaussian", wrong)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda z, r: None, "not answered yet"),
        (lambda z, r: ..., "not answered yet"),
        (lambda z, r: r.T @ z, "expected 3 results: return weights, means, covariances"),
        (lambda z, r: (r, z), "expected 3 results"),
        (lambda z, r: (r.mean(0), z, z), "of means (3, 2), got (9, 2); of covariances (3, 2, 2)"),
    ],
)
def test_several_results_are_asked_for_by_name_and_shape(answer, message, capsys):
    assert message in said(capsys, "gaussian_m_step", answer)


@every
@pytest.mark.parametrize("answer", ["B", 3, [1, 2], {"a": 1}, torch.ones(2), int, torch.nn.Module])
def test_an_answer_of_any_type_gets_a_word_and_no_error(name, answer, capsys):
    said(capsys, name, answer)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(KeyError, match="kl_gaussian"):
        check("kl_gausian", lambda: 0)


RIGHT = {
    "numpy": ("responsibilities", lambda w, d: scipy.special.softmax((w + d).numpy(), -1)),
    "scipy": ("bayes_rule", lambda a, p: scipy.special.log_softmax((a + p).numpy(), axis=-1)),
    "int64 of numpy": ("parameter_count", lambda h: np.int64(795 * h + 10)),
    "a whole float": ("parameter_count", lambda h: 795.0 * h + 10),
    "a whole tensor": ("parameter_count", lambda h: torch.tensor(795 * h + 10)),
    "float of numpy": ("half_width", lambda p, n: 1.96 * np.sqrt(p * (1 - p) / n)),
    "a tensor for a number": (
        "half_width", lambda p, n: 1.96 * torch.tensor(p * (1 - p) / n).sqrt()),
    "masks": ("precision", lambda d, r: ((d <= r).sum(1) > 0).double().mean().item()),
    "a loop": ("precision", lambda d, r: sum(any(row <= r) for row in d) / len(d)),
    "double": ("kl_gaussian", lambda m, v: ((v.double().exp() + m**2 - 1 - v) / 2).sum(1)),
    "in place on a copy": ("langevin_step", lambda x, g, s, e: x.clone().add_(s * g).add_(
        math.sqrt(2 * s) * e)),
    "torch's own": ("cross_entropy", F.cross_entropy),
    "one by one": ("importance_weighted", lambda w: torch.stack(
        [column.logsumexp(0) - math.log(column.numel()) for column in w.T])),
    "another way": ("kl_bits", lambda a: -torch.distributions.Bernoulli(logits=a).entropy().sum(-1)
        + math.log(2) * a.shape[-1]),
}  # fmt: skip


@pytest.mark.parametrize(("name", "answer"), RIGHT.values(), ids=RIGHT)
def test_what_is_right_is_right(name, answer, capsys):
    for draw in range(50):
        right, what, _ = exercises.verdict(EXERCISES[name], answer, f"draw {draw}")
        assert right, what


def test_whole_numbers_are_compared_exactly(capsys):
    for wrong in (lambda h: 795 * h + 11, lambda h: 795 * h + 9, lambda h: 795 * h + 10.01):
        assert not said(capsys, "parameter_count", wrong).startswith("parameter_count: right")


def test_results_cut_to_whole_numbers_are_wrong(capsys):
    kl = EXERCISES["kl_gaussian"].answer
    text = said(capsys, "kl_gaussian", lambda m, v: kl(m, v).long())
    assert not text.startswith("kl_gaussian: right")


def test_memorised_results_are_wrong(capsys):
    known = {}

    def memory(mean, log_var):
        return known.setdefault("kl", EXERCISES["kl_gaussian"].answer(mean, log_var))

    assert "kl_gaussian: right" not in said(capsys, "kl_gaussian", memory)


def test_hard_coded_sizes_are_wrong(capsys):
    def half_width(error, n):
        return EXERCISES["half_width"].answer(error, 100)

    assert "half_width: right" not in said(capsys, "half_width", half_width)


def test_the_inputs_change_with_the_answer_and_not_with_the_day(monkeypatch):
    def one(x):
        return x + 1

    def other(x):
        return 1 + x

    assert digest(one) == digest(one) != digest(other)
    assert digest(2.5) == digest(2.5) != digest(2.25)
    assert torch.equal(Draw("a").normal(3), Draw("a").normal(3))
    assert not torch.equal(Draw("a").normal(3), Draw("b").normal(3))
    assert Draw("a").normal(2)[0].item() == pytest.approx(Draw("a").normal(2)[0].item(), abs=0)
    assert date.today().isoformat() not in digest(one)


def test_draws_are_what_they_say():
    draw = Draw("what they say")
    assert draw.normal(500).std() == pytest.approx(1, abs=0.2)
    assert 0 < draw.uniform(500).min() < 0.1 < 0.9 < draw.uniform(500).max() < 1
    assert set(draw.bits(50).tolist()) == {0.0, 1.0}
    assert set(draw.integers(2, 5, (50,)).tolist()) == {2, 3, 4}
    assert draw.positive(50).min() > 0
    assert [type(draw.normal()), type(draw.integers(1, 2))] == [float, int]
    assert {draw.choice("ab") for _ in range(50)} == {"a", "b"}


CUT_OFF = {
    "detached": lambda m, v, e: (m + (v / 2).exp() * e).detach(),
    "no_grad": torch.no_grad()(lambda m, v, e: m + (v / 2).exp() * e),
    "numpy": lambda m, v, e: m.numpy() + np.exp(v.numpy() / 2) * e.numpy(),
    "in one argument": lambda m, v, e: m + (v.detach() / 2).exp() * e,
    "in a part": lambda m, v, e: m + (v / 4).exp() * (v.detach() / 4).exp() * e,
}


@pytest.mark.parametrize("answer", CUT_OFF.values(), ids=CUT_OFF)
def test_a_right_value_whose_gradient_is_cut_off_is_not_right(answer, capsys):
    text = said(capsys, "reparameterise", answer)
    assert "the value is right, but" in text
    assert "gradient" in text


def test_a_gradient_that_is_wrong_but_not_cut_off_is_not_said_to_be(capsys):
    """Straight-through with a slope of 1 in place of the sigmoid's."""
    text = said(capsys, "straight_through_bits", lambda z, logits: z + logits - logits.detach())
    assert "the gradient in logits is not" in text and "compare it with" in text
    assert "cut" not in text


def test_detach_is_not_forbidden_where_the_right_answer_needs_it(capsys):
    def straight_through_bits(z, logits):
        return z + logits.sigmoid() - logits.sigmoid()

    text = said(capsys, "straight_through_bits", straight_through_bits)
    assert "the gradient in logits is not" in text
    assert "no .detach()" not in text


def test_a_gradient_counts_only_in_what_is_named(capsys):
    def right(mean, log_var, eps):
        return mean + (log_var / 2).exp() * eps.detach()

    assert said(capsys, "reparameterise", right) == "reparameterise: right.\n"


def test_the_nan_gradient_of_xlogy_is_named_as_that(capsys):
    def kl_bits(logits):
        p = logits.sigmoid()
        q = (-logits).sigmoid()
        return (torch.xlogy(p, p) + torch.xlogy(q, q) + math.log(2)).sum(-1)

    assert "that of xlogy is nan" in said(capsys, "kl_bits", kl_bits)


def test_what_torch_cannot_differentiate_is_not_said_to_raise(capsys):
    def twice(mean, log_var, eps):
        sigma = (log_var / 2).exp()
        result = mean + sigma * eps
        sigma.detach().zero_()
        sigma += 1
        return result

    text = said(capsys, "reparameterise", twice)
    assert "the value is right, but not its gradient: one of the variables" in text


def kl(mean, log_var):
    return EXERCISES["kl_gaussian"].answer(mean, log_var)


REMARKS = {
    "a factor": (lambda m, v: 2.5 * kl(m, v), "2.5 times the right one"),
    "a factor of an argument": (
        lambda error, n: n * EXERCISES["half_width"].answer(error, n),
        "1 * n times the right one",
    ),
    "an offset": (lambda m, v: kl(m, v) - 0.3, "the right one plus -0.3"),
    "a logarithm": (
        lambda w: w.logsumexp(0) - math.log(2), "the right one plus 1.253",
    ),
    "an exponential": (lambda m, v: kl(m, v).exp(), "exp(r), where r is the right one"),
    "transposed": (lambda x, g, s, e: (x + s * g + math.sqrt(2 * s) * e).T, "Rows and columns"),
    "another argument": (lambda m, v: kl(m, 1 - v), "right for 1 - log_var in place of log_var"),
    "exchanged": (lambda m, v: kl(v, m), "right for mean and log_var exchanged"),
    "the mean of all": (
        lambda x, g, s, e: (x + s * g + math.sqrt(2 * s) * e).mean(), "mean over all"),
    "the wrong axis": (lambda m, v: 0.5 * (v.exp() + m**2 - 1 - v).sum(0), "keeps axis 1 of mean"),
    "an axis kept": (lambda w: (w - w.logsumexp(0)), "keeps axis 0 of log_weight"),
    "unused": (lambda m, v: (m**2 - m).sum(-1), "does not change with log_var"),
    "random": (lambda m, v: kl(m, v) + torch.rand(4), "Two calls"),
    "mixed rows": (lambda m, v: kl(m, v) + m.sum() ** 2, "axis 0 of mean"),
    "right for some": (
        lambda m, v: kl(m, v.clamp(-0.1, 9)), "log_var is 0 or is 1 or is positive, your result is "
    ),
    "an axis of length 1": (lambda m, v: kl(m, v)[:, None], "right, but not its shape"),
    "one part": (lambda m, v, e: m + (v / 2).cosh() * e, "depends on log_var and eps, not on mean"),
}  # fmt: skip


UNTRUE = {
    "signs": (lambda a, s: a - s.sign(), "does not change with slope"),
    "infinite twice": (lambda a, s: a / 0 * s.abs(), "does not change with slope"),
    "an axis of length 1": (lambda m, v: kl(m, v)[:, None], "is missing"),
    "said before": (lambda m, v: kl(m, v) - 2, "Where mean is"),
}


def test_no_remark_speaks_of_inputs_that_cannot_be():
    """A number in an interval from 0 to 1 is neither negative nor far above 0."""
    decode = EXERCISES["arithmetic_decoder"].answer
    answer = lambda number, chain: decode(number**2, chain)  # noqa: E731
    trial = Trial(EXERCISES["arithmetic_decoder"], answer, "remarks", Caller(), CONFIRMED_ON)
    made = list(remarks(trial))
    assert any("Where number is 0 or is 1, your result is right." in each for each in made), made


@pytest.mark.parametrize(("answer", "remark"), UNTRUE.values(), ids=UNTRUE)
def test_a_remark_that_is_not_true_is_not_made(answer, remark):
    name = "kl_gaussian" if "m" in answer.__code__.co_varnames else "change_of_variables"
    trial = Trial(EXERCISES[name], answer, "remarks", Caller(), CONFIRMED_ON)
    assert not any(remark in each for each in remarks(trial)), list(remarks(trial))


def test_an_answer_that_is_wrong_at_its_first_call_alone_gets_a_word(capsys):
    calls = iter([1.0])
    answer = lambda mean, log_var: kl(mean, log_var) + next(calls, 0)  # noqa: E731
    assert "Two calls with the same arguments" in said(capsys, "kl_gaussian", answer)


def test_a_slow_wrong_answer_is_not_called_for_ever(capsys):
    calls = []

    def slow(mean, log_var):
        calls.append(time.sleep(0.4))
        return 1.1 * kl(mean, log_var)

    assert "the result is wrong" in said(capsys, "kl_gaussian", slow)
    assert len(calls) < 16, "5 seconds in all"


def test_what_is_printed_comes_from_the_first_calls(capsys):
    def talks(mean, log_var):
        print("called")
        return kl(mean, log_var).cosh()

    assert said(capsys, "kl_gaussian", talks).count("called") == SETS


def test_a_return_that_was_forgotten_is_not_an_exercise_left_open(capsys):
    def forgets(mean, log_var):
        kl(mean, log_var)

    assert "Is there a return at its end?" in said(capsys, "kl_gaussian", forgets)


def test_numpy_arrays_of_any_layout_and_a_buffer_of_ones_own_are_right(capsys):
    right, buffer = EXERCISES["responsibilities"].answer, {}

    def flipped(log_weight, log_density):
        return np.flip(np.flip(right(log_weight, log_density).numpy(), 1).copy(), 1)

    def buffered(log_weight, log_density):
        result = right(log_weight, log_density).double().numpy()
        buffer.setdefault(result.shape, np.empty(result.shape))[:] = result
        return buffer[result.shape]

    for answer in (flipped, buffered):
        assert said(capsys, "responsibilities", answer) == "responsibilities: right.\n"


@pytest.mark.parametrize(("answer", "remark"), REMARKS.values(), ids=REMARKS)
def test_a_wrong_answer_gets_a_remark_that_is_true(answer, remark, capsys):
    names = answer.__code__.co_varnames[: answer.__code__.co_argcount]
    name = {1: "importance_weighted", 2: "kl_gaussian", 3: "reparameterise"}.get(len(names))
    name = "half_width" if "error" in names else name or "langevin_step"
    trial = Trial(EXERCISES[name], answer, "remarks", Caller(), CONFIRMED_ON)
    assert any(remark in each for each in remarks(trial)), list(remarks(trial))
    assert " instead of " in said(capsys, name, answer) or "It returns" in said(
        capsys, name, answer
    )


def test_a_wrong_answer_is_shown_where_it_is_wrong_with_the_arguments_there(capsys):
    def wrong(mean, log_var, eps):
        right = mean + (log_var / 2).exp() * eps
        return torch.where(torch.arange(3) == 1, right + mean.cosh() * eps**3, right)

    text = said(capsys, "reparameterise", wrong)
    assert "At index [0, 1] it is " in text
    assert "mean[0, 1] = " in text


@pytest.mark.parametrize(
    ("name", "answer", "story"),
    [
        ("importance_weighted", lambda w: (-w).exp().mean(0).log(), "exp("),
        (
            "responsibilities",
            lambda w, d: d.exp() / d.exp().sum(-1, keepdim=True),
            "underflows to 0",
        ),
        ("change_of_variables", lambda a, s: a - (s + s).log(), "log(-"),
        ("half_width", lambda p, n: float("nan"), "It gives nan where a finite number is right"),
    ],
)
def test_what_is_not_finite_is_traced_to_where_it_comes_from(name, answer, story):
    trial = Trial(EXERCISES[name], answer, "not finite", Caller(), CONFIRMED_ON)
    assert any(story in each for each in remarks(trial)), list(remarks(trial))


@functions
def test_nan_matches_no_mistake(name, capsys):
    right = EXERCISES[name].answer

    def nan(*inputs):
        return right(*inputs) * float("nan")

    trial = Trial(EXERCISES[name], nan, "nan", Caller(), CONFIRMED_ON)
    assert named(trial) is None


def test_nan_alone_matches_not_even_a_mistake_that_is_nothing_but_nan():
    def double(x):
        return 2 * x

    root = {"(-x * x).sqrt()": ("The root of a negative number.", "No root.")}
    exercise = Exercise("", double, lambda draw: (1 + draw.positive(3),), mistakes=root)
    trial = Trial(exercise, lambda x: x.fill_(math.nan), "nan", Caller(), CONFIRMED_ON)
    assert named(trial) is None


def test_an_exercise_of_ones_own_needs_no_machinery():
    def double(x):
        return 2 * x

    exercise = Exercise("", double, lambda draw: (draw.normal(3),), mistakes={
        "x": ("It is x itself.", "Times 2."), "double(x) + 1": ("One too large.", "Drop it."),
    })  # fmt: skip
    assert exercises.verdict(exercise, lambda x: x + x, "own")[0]
    assert exercises.verdict(exercise, lambda x: x, "own")[1:][1] == "Times 2."
    assert "One too large." in exercises.verdict(exercise, lambda x: 2 * x + 1, "own")[1]


def test_predictions_stand_beside_outcomes(capsys):
    exercises.predict("loss", 2.0)
    exercises.predict("loss", outcome=torch.tensor(2.3))
    exercises.predict("winner", "VAE")
    exercises.predict("winner", outcome="mixture")
    exercises.predict("blank", ...)
    exercises.predict("blank", outcome=7)
    assert capsys.readouterr().out.splitlines() == [
        "loss: you predict 2.",
        "loss: predicted 2, it is 2.3: 0.3 away.",
        "winner: you predict VAE.",
        "winner: predicted VAE, it is mixture: not as predicted.",
        "blank: no prediction.",
        "blank: no prediction; it is 7.",
    ]


def test_progress_counts_what_was_solved_predicted_and_shown(capsys, tmp_path):
    check("kl_gaussian", EXERCISES["kl_gaussian"].answer)
    check("reparameterise", next(EXERCISES["reparameterise"].wrong_answers())[0], fix=True)
    exercises.predict("loss", 2)
    exercises.predict("loss", outcome=3)
    capsys.readouterr()
    exercises.solved("03")
    still = [name for name in exercises.BY_NOTEBOOK["03"] if name != "kl_gaussian"]
    assert capsys.readouterr().out.splitlines() == [
        "Exercises solved: 1 of 13.",
        f"Still open: {', '.join(still)}.",
        "Prediction loss: predicted 2, it is 3: 1 away.",
        "Fixes shown: 1.",
    ]
    kept = json.loads((tmp_path / "cache" / "progress.json").read_text())
    assert kept["solved"] == {"kl_gaussian": True}


def test_progress_outlives_the_kernel_and_leaves_a_file_it_cannot_read_alone(
    capsys, tmp_path, monkeypatch
):
    check("kl_gaussian", EXERCISES["kl_gaussian"].answer)
    monkeypatch.setattr(exercises, "_here", {"solved": {}, "hints": {}, "predictions": {}})
    exercises.solved("03")
    assert "Exercises solved: 1 of 13." in capsys.readouterr().out
    file = tmp_path / "cache" / "progress.json"
    file.write_text("{broken")
    check("reparameterise", EXERCISES["reparameterise"].answer)
    exercises.solved("03")
    assert "Exercises solved: 1 of 13." in capsys.readouterr().out
    assert file.read_text() == "{broken"


def test_the_folder_of_progress_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("LABUTILS_PROGRESS", str(tmp_path / "mine"))
    check("kl_gaussian", EXERCISES["kl_gaussian"].answer)
    assert (tmp_path / "mine" / "progress.json").exists()
    monkeypatch.delenv("LABUTILS_PROGRESS")
    check("kl_gaussian", EXERCISES["kl_gaussian"].answer)
    assert (tmp_path / "cache" / "progress.json").exists()


def test_progress_is_asked_for_by_the_number_of_a_notebook():
    with pytest.raises(KeyError, match="of notebook '1', but of 01, 02"):
        exercises.solved("1")


def test_progress_that_cannot_be_written_is_kept_in_the_process(capsys, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    check("kl_gaussian", EXERCISES["kl_gaussian"].answer)
    exercises.solved("03")
    assert "Exercises solved: 1 of 13." in capsys.readouterr().out


@pytest.mark.parametrize("text", ["{broken", "[]", "3", '{"solved": [], "hints": 3}'])
def test_a_damaged_file_of_progress_harms_nothing(text, capsys, tmp_path):
    file = tmp_path / "cache" / "progress.json"
    file.parent.mkdir()
    file.write_text(text)
    check("kl_gaussian", EXERCISES["kl_gaussian"].answer)
    exercises.solved("03")
    assert "Exercises solved: 1 of 13." in capsys.readouterr().out
    assert file.read_text() == text


def test_predictions_of_other_notebooks_are_not_shown(capsys, monkeypatch):
    exercises.predict("loss", 2)
    exercises.predict("loss", outcome=3)
    monkeypatch.setattr(exercises, "_here", {"solved": {}, "hints": {}, "predictions": {}})
    capsys.readouterr()
    exercises.solved("03")
    assert "loss" not in capsys.readouterr().out


def test_what_torch_does_not_implement_is_no_exercise_left_open(capsys):
    def exchanges(model, batches, optimiser, loss):
        for images, labels in batches:
            loss(labels, model(images)).backward()

    assert "not implemented for 'Long'" in said(capsys, "train_steps", exchanges)


def test_a_network_that_returns_nothing_is_told_so(capsys):
    class Forgets(EXERCISES["mlp_classifier"].answer):
        def forward(self, x):
            super().forward(x)

    assert "forward returned None" in said(capsys, "mlp_classifier", Forgets)


def test_a_letter_is_taken_however_it_is_written(capsys):
    assert said(capsys, "dropout_bug", " c.") == "dropout_bug: right.\n"
