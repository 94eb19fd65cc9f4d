"""fit() learns, keeps the best, goes on where it stopped, and says what is wrong with its input."""

from labutils import training
from labutils.data import Split, binarize
from labutils.models import Classifier, GaussianVAE
from labutils.objectives import elbo
from labutils.training import History, fit

import gc
import math
import os
import re
import signal
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import small_digits
from labutils.runtime import seeded
from torch.nn import functional as F

EPOCHS, STEPS = 4, 5  # of 20 images each


def cross_entropy(model, images, labels):
    return F.cross_entropy(model(images), labels)


def negative_elbo(model, images, labels):
    return -elbo(model, binarize(images)).mean()


CASES = {
    "a classifier with dropout": (partial(Classifier, 784, 8, 10), cross_entropy),
    "a VAE on pixels drawn anew": (partial(GaussianVAE, 2, 8), negative_elbo),
}
CLASSIFIER = "a classifier with dropout"
SETTINGS = {"epochs": EPOCHS, "batch_size": 20, "learning_rate": 0.01, "seed": 0}


def train(case=CLASSIFIER, *, data=None, wrap=lambda loss: loss, weights=1, **settings):
    """A trained model and its history: small digits, and the same initial weights each time."""
    make, loss = CASES[case]
    with seeded(weights):
        model = make()
    return model, fit(model, wrap(loss), data or small_digits(), **{**SETTINGS, **settings})


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def identical(one, other):
    other = other.state_dict()
    return all(torch.equal(value, other[name]) for name, value in one.state_dict().items())


def counting(calls):
    """A loss that notes whether it is called to train or to validate."""

    def wrap(loss):
        def counted(model, images, labels):
            calls.append(model.training)
            return loss(model, images, labels)

        return counted

    return wrap


def disturbed(step, disturb):
    """A loss that is disturbed at one step of the training: the first call is step 0 if named."""

    def wrap(loss):
        calls = []

        def counted(model, images, labels):
            value = loss(model, images, labels)
            calls.extend([None] * model.training)
            return disturb(value) if len(calls) == step and model.training else value

        return counted

    return wrap


def interrupt(value):
    raise KeyboardInterrupt


def interrupted_in(epoch):
    return disturbed(1 + (epoch - 1) * STEPS + 3, interrupt)


# Learning


@pytest.mark.parametrize("case", CASES)
def test_the_loss_goes_down(case):
    model, history = train(case, epochs=20)
    assert len(history) == len(history.train) == 20
    assert history.train[-1] < 0.95 * history.train[0]
    assert history.validation[-1] < 0.95 * history.validation[0]
    assert not model.training


@pytest.fixture
def misleading(digits):
    """The better a network learns, the worse it does on these labels to validate."""
    labels = (digits.validation.labels + 1) % 10
    return replace(digits, validation=Split(digits.validation.images, labels))


def test_the_best_weights_on_validation_are_kept(misleading):
    model, history = train(data=misleading, epochs=8)
    assert 1 <= history.best < 8
    with torch.no_grad():
        loss = cross_entropy(model, *vars(misleading.validation).values()).item()
    assert loss == history.validation[history.best - 1] == min(history.validation)


def test_every_training_image_is_seen_once_an_epoch_in_a_new_order(digits):
    seen = []

    def wrap(loss):
        def noted(model, images, labels):
            if model.training:
                seen.append(images[:, 0])
            return loss(model, images, labels)

        return noted

    train(data=digits, wrap=wrap, epochs=2, batch_size=30)  # the last batch is smaller
    assert [len(batch) for batch in seen] == [30, 30, 30, 10] * 2
    first, second = torch.cat(seen[:4]), torch.cat(seen[4:])
    assert not torch.equal(first, second)
    for epoch in (first, second):
        assert torch.equal(epoch.sort().values, digits.train.images[:, 0].sort().values)


def test_the_test_set_is_never_touched(digits):
    nan = Split(torch.full((1, 784), float("nan")), torch.tensor([-1]))
    train(data=replace(digits, test=nan), epochs=1)
    train(data=replace(digits, test=None), epochs=1)


def test_validation_draws_the_same_random_numbers_each_epoch():
    draws = []

    def wrap(loss):
        def drawing(model, images, labels):
            draws.append((model.training, torch.rand(()).item()))
            return loss(model, images, labels)

        return drawing

    train(wrap=wrap)
    assert len({draw for training, draw in draws if not training}) == 1
    assert len({draw for training, draw in draws if training}) == EPOCHS * STEPS


def test_the_mean_loss_weighs_each_image_the_same():
    data = small_digits()

    def wrap(loss):
        return lambda model, images, labels: (
            0 * loss(model, images, labels) + labels.eq(0).sum() / len(labels)
        )

    _, history = train(data=data, wrap=wrap, epochs=1, batch_size=30)
    assert history.train == [pytest.approx(0.1)]
    assert history.validation == [pytest.approx(0.1)]


def test_more_images_than_a_validation_batch_holds(digits, monkeypatch):
    _, whole = train(data=digits)
    monkeypatch.setattr(training, "VALIDATION_BATCH", 7)
    _, in_parts = train(data=digits)
    assert in_parts.validation == pytest.approx(whole.validation, rel=1e-5)


def test_the_learning_rate_rises_to_its_peak_and_falls():
    rates = train(epochs=20)[1].learning_rate
    peak = rates.index(max(rates))
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0.009 < rates[peak] <= 0.01
    assert rates[-1] < 1e-4


def test_a_single_batch_is_enough():
    assert len(train(epochs=1, batch_size=100)[1]) == 1


def test_weights_that_are_frozen_stay_as_they_are(digits):
    with seeded(1):
        model = Classifier(784, 8, 10)
    model.proj1.requires_grad_(False)
    before = model.proj1.weight.clone(), model.proj2.weight.clone()
    fit(model, cross_entropy, digits, **SETTINGS, name="frozen")
    assert torch.equal(model.proj1.weight, before[0])
    assert not torch.equal(model.proj2.weight, before[1])


def test_images_may_be_every_second_one_of_a_larger_tensor(digits):
    _, history = train(data=replace(digits, train=digits.train[::2]), name="half")
    assert len(history) == EPOCHS


# Randomness


@pytest.mark.parametrize("case", CASES)
def test_the_same_seed_gives_the_same_weights_to_the_last_bit(case):
    (one, first), (other, second) = train(case), train(case)
    assert identical(one, other)
    assert (first.train, first.validation) == (second.train, second.validation)
    assert not identical(one, train(case, seed=1)[0])


def leaves_random_state(function):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    function()
    return torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", [None, "run"])
def test_the_random_state_outside_stays_as_it_was(name, digits):
    with seeded(1):
        model = Classifier(784, 8, 10)
    assert leaves_random_state(lambda: fit(model, cross_entropy, digits, **SETTINGS, name=name))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_the_random_state_outside_stays_as_it_was_after_an_error(error):
    def fail():
        with pytest.raises(error), seeded(3):
            torch.rand(())
            raise error

    assert leaves_random_state(fail)


def test_seeded_gives_the_same_draws_whatever_came_before():
    with seeded(3):
        first = torch.rand(5)
    torch.rand(7)
    with seeded(3):
        assert torch.equal(torch.rand(5), first)


# Going on after an interruption


@pytest.mark.parametrize("case", CASES)
def test_an_interrupted_run_ends_in_the_same_weights_as_one_that_was_not(case, runs):
    whole, expected = train(case)
    with pytest.warns(UserWarning, match="interrupted in epoch 3 of 4: .* call fit\\(\\) again"):
        half, before = train(case, name="run", wrap=interrupted_in(3))
    assert len(before) == 2 and not half.training
    assert not identical(half, whole)
    resumed, history = train(case, name="run")
    assert identical(resumed, whole)
    assert (history.train, history.validation) == (expected.train, expected.validation)
    assert history.learning_rate == expected.learning_rate
    assert history.seconds[:2] == before.seconds  # the first two epochs were not done again
    assert len(list(runs.iterdir())) == 1


def test_the_best_weights_from_before_an_interruption_are_kept(misleading):
    whole, history = train(data=misleading, epochs=8)
    best = history.best
    with pytest.warns(UserWarning, match="interrupted"):
        train(data=misleading, epochs=8, name="run", wrap=interrupted_in(best + 1))
    calls = []
    resumed, history = train(data=misleading, epochs=8, name="run", wrap=counting(calls))
    assert len(history) == 8 and history.best == best
    assert calls.count(True) == 1 + (8 - best) * STEPS
    assert identical(resumed, whole)


def test_it_may_be_interrupted_again_and_again():
    for epochs_before, epoch in ((0, 1), (0, 2), (1, 4)):
        with pytest.warns(UserWarning, match=f"interrupted in epoch {epoch} of 4"):
            _, history = train(name="run", wrap=interrupted_in(epoch - epochs_before))
        assert len(history) == epoch - 1
    assert identical(train(name="run")[0], train()[0])


def test_an_interrupted_run_without_a_name_is_usable():
    with pytest.warns(UserWarning, match="this run has no name"):
        model, history = train(wrap=disturbed(2 * STEPS + 3, interrupt))
    assert len(history) == len(history.train) == 2
    assert history.table().count("\n") == 2
    loss = cross_entropy(model, *vars(small_digits().validation).values())
    assert loss.item() == min(history.validation)


def kill(value):
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def train_elsewhere(case, folder, wrap):
    torch.set_num_threads(1)
    os.environ["LABUTILS_RUNS"] = str(folder)
    train(case, name="run", wrap=wrap())


def killed_in_epoch_3():
    return disturbed(1 + 2 * STEPS + 3, kill)


@pytest.mark.parametrize("case", CASES)
def test_a_killed_run_ends_in_the_same_weights_as_one_that_was_not(case, processes, runs):
    process = processes.Process(target=train_elsewhere, args=(case, runs, killed_in_epoch_3))
    process.start()
    process.join(60)
    assert process.exitcode not in (None, 0, 1)
    whole, expected = train(case)
    calls = []
    resumed, history = train(case, name="run", wrap=counting(calls))
    assert calls.count(True) == 1 + 2 * STEPS  # one to recognise the run, two epochs to finish it
    assert identical(resumed, whole)
    assert history.validation == expected.validation


@pytest.mark.parametrize("case", CASES)
def test_a_finished_run_is_returned_at_once(case):
    first, expected = train(case, name="run")
    calls = []
    second, history = train(case, name="run", wrap=counting(calls))
    assert len(calls) == 1  # to recognise the run
    assert identical(first, second)
    assert history == expected
    assert not second.training


def test_a_name_changes_nothing_but_that_the_run_is_kept(runs):
    nameless, _ = train()
    assert not runs.exists()
    named, _ = train(name="02-classifier")
    assert identical(nameless, named)
    (path,) = runs.iterdir()
    assert re.fullmatch(r"02-classifier-[0-9a-f]{16}\.pt", path.name)


def test_a_run_is_kept_in_the_cache_folder_by_default(monkeypatch, tmp_path):
    monkeypatch.delenv("LABUTILS_RUNS")
    train(name="run")
    assert [path.parent for path in tmp_path.rglob("*.pt")] == [tmp_path / "cache" / "runs"]


def scaled(beta):
    return lambda loss: lambda model, images, labels: beta * loss(model, images, labels)


def raised(constant):
    return lambda loss: lambda model, images, labels: loss(model, images, labels) + constant


def changed(part, value):
    """Small digits with one pixel changed."""
    digits = small_digits()
    getattr(digits, part).images[-1, -1] = value
    return digits


CHANGES = {
    "epochs": {"epochs": 5},
    "batch size": {"batch_size": 25},
    "learning rate": {"learning_rate": 0.02},
    "seed": {"seed": 1},
    "initial weights": {"weights": 2},
    "a number in the loss": {"wrap": scaled(1.001)},
    "a constant in the loss": {"wrap": raised(0.01)},
    "one training pixel": {"data": changed("train", 0.123)},
    "one validation pixel": {"data": changed("validation", 0.123)},
    "the name": {"name": "other"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_determines_a_run_makes_it_another_one(change, runs):
    train(name="run")
    train(name="run")
    assert len(list(runs.iterdir())) == 1
    calls = []
    settings = {"name": "run", **CHANGES[change]}
    settings["wrap"] = lambda loss: counting(calls)(CHANGES[change].get("wrap", lambda f: f)(loss))
    train(**settings)
    assert len(list(runs.iterdir())) == 2
    assert calls.count(True) > STEPS


def test_a_loss_whose_gradient_alone_differs_is_another_run(runs):
    def wrap(loss):
        def halved(model, images, labels):
            value = loss(model, images, labels)
            return (value + value.detach()) / 2

        return halved

    train(name="run", epochs=1)
    train(name="run", epochs=1, wrap=wrap)
    assert len(list(runs.iterdir())) == 2


def test_other_dropout_is_another_run(runs, digits):
    for ratio in (0.5, 0.4):
        with seeded(1):
            model = Classifier(784, 8, 10, dropout_ratio=ratio)
        fit(model, cross_entropy, digits, **SETTINGS, name="run")
    assert len(list(runs.iterdir())) == 2


DAMAGES = {
    "empty": lambda whole: b"",
    "nonsense": lambda whole: b"nonsense" * 100,
    "half": lambda whole: whole[: len(whole) // 2],
    "one byte short": lambda whole: whole[:-1],
    "zeros where a block was lost": lambda whole: whole[:4096] + bytes(4096) + whole[8192:],
    "one bit in the weights": lambda whole: whole[:6000] + bytes([whole[6000] ^ 1]) + whole[6001:],
    "a pickle that runs code": lambda whole: b"cos\nsystem\n(S'exit 1'\ntR.",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_set_aside_with_a_warning(damage, runs):
    whole, expected = train(name="run")
    (path,) = runs.iterdir()
    kept = path.read_bytes()
    path.write_bytes(DAMAGES[damage](kept))
    assert path.read_bytes() != kept
    with pytest.warns(UserWarning, match=f"{re.escape(str(path))} is damaged") as caught:
        again, history = train(name="run")
    assert caught[0].filename == __file__
    assert identical(again, whole)
    assert history.validation == expected.validation
    assert [path.name for path in runs.iterdir()] == [path.name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(name="run")  # what replaced it is whole


def test_a_checkpoint_loads_as_weights_only(runs):
    train(name="run")
    (path,) = runs.iterdir()
    state = torch.load(path, weights_only=True)
    assert state["history"]["epochs"] == EPOCHS
    assert set(state["best"]) == set(Classifier(784, 8, 10).state_dict())


class Intruder:
    """Loading it with Python's pickle makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_in_a_checkpoint_is_not_executed(runs, tmp_path):
    train(name="run")
    (path,) = runs.iterdir()
    state = torch.load(path, weights_only=True)
    torch.save(state | {"extra": Intruder(tmp_path / "code was executed")}, path)
    with pytest.warns(UserWarning, match="damaged"):
        train(name="run")
    assert not (tmp_path / "code was executed").exists()


def test_a_runs_folders_that_cannot_be_written_only_warns(runs):
    runs.write_text("not a folder")
    with pytest.warns(UserWarning, match="not kept: .* cannot be written") as caught:
        model, history = train(name="run")
    assert [warning.filename for warning in caught] == [__file__]  # once, at the call of fit()
    assert len(history) == EPOCHS
    assert identical(model, train()[0])


@pytest.mark.skipif(os.name == "nt", reason="Windows folders have no such permission")
@pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() == 0, reason="root may go anywhere")
@pytest.mark.parametrize("permission", [0o000, 0o500])
def test_a_runs_folders_without_permission_only_warns(permission, runs):
    runs.mkdir()
    runs.chmod(permission)
    with pytest.warns(UserWarning, match=r"cannot be written .*Permission denied"):
        model, _ = train(name="run")
    runs.chmod(0o700)
    assert identical(model, train()[0])


def train_on_a_full_disk(folder):
    import resource

    os.environ["LABUTILS_RUNS"] = str(folder)
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, history = train(name="run")
    return history.validation, [str(warning.message) for warning in caught]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot limit the size of files")
def test_a_full_disk_only_warns(elsewhere, runs):
    validation, (warning,) = elsewhere(train_on_a_full_disk, runs)
    assert "cannot be written" in warning and "File too large" in warning
    assert validation == train()[1].validation
    assert list(runs.iterdir()) == []


# What goes wrong


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", [None, "run"])
def test_a_loss_that_is_not_finite_stops_at_once(value, name):
    calls = []

    def wrap(loss):
        spoilt = disturbed(bool(name) + 3 * STEPS + 3, lambda loss: loss * value)(loss)
        return counting(calls)(spoilt)

    with pytest.raises(FloatingPointError) as caught:
        train(wrap=wrap, name=name)
    assert calls.count(True) == bool(name) + 3 * STEPS + 3
    message = str(caught.value)
    rate = re.search(r"at step 3 of epoch 4, with learning rate (\S+)\. Try", message)
    assert 0 < float(rate[1]) < 0.005  # it falls toward the end
    assert "learning_rate=0.001)" in message  # a tenth of its peak
    assert message.startswith(f"The loss became {'nan' if math.isnan(value) else ''}")
    assert math.isnan(value) or "inf at step" in message


def test_a_validation_loss_that_is_not_finite_stops_too():
    def wrap(loss):
        return lambda model, *batch: loss(model, *batch) * (1 if model.training else math.nan)

    with pytest.raises(FloatingPointError, match="nan at the validation of epoch 1, with learning"):
        train(wrap=wrap)


def test_after_an_error_the_model_has_the_best_weights_so_far(digits):
    with seeded(1):
        model = Classifier(784, 8, 10)
    loss = disturbed(STEPS + 3, lambda loss: loss * math.nan)(cross_entropy)
    with pytest.raises(FloatingPointError):
        fit(model, loss, digits, **SETTINGS)
    assert not model.training
    # one epoch of four is done: its weights, unlike those three steps later, repeat
    with pytest.warns(UserWarning, match="interrupted"):
        other, _ = train(wrap=disturbed(STEPS + 1, interrupt))
    assert identical(model, other)


WRONG_LOSSES = {
    "one number for each image": (lambda loss: loss.expand(20), r"got shape \(20,\).*\.mean\(\)"),
    "a vector of one": (lambda loss: loss[None], r"got shape \(1,\)"),
    "nothing": (lambda loss: None, "got None. Return it"),
    "a float": (lambda loss: loss.item(), r"as a tensor, got \d"),
}


@pytest.mark.parametrize("wrong", WRONG_LOSSES)
@pytest.mark.parametrize("name", [None, "run"])
def test_a_loss_that_is_not_one_number_is_refused(wrong, name):
    spoil, words = WRONG_LOSSES[wrong]
    with pytest.raises(ValueError, match=words):
        train(wrap=lambda loss: lambda *batch: spoil(loss(*batch)), name=name)


@pytest.mark.parametrize(
    "setting, words",
    [
        ({"epochs": 0}, "epochs must be a whole number, 1 or more, got 0"),
        ({"epochs": 1.5}, "epochs must be .* got 1.5"),
        ({"epochs": "3"}, "epochs must be .* got '3'"),
        ({"batch_size": 0}, "batch_size must be .* got 0"),
        ({"batch_size": 20.0}, "batch_size must be .* got 20.0"),
        ({"batch_size": 101}, "at most the 100 training images, got 101. Take a smaller batch"),
        ({"learning_rate": 0}, "learning_rate must be a positive number, got 0. Try 0.001"),
        ({"learning_rate": -0.1}, "learning_rate .* got -0.1"),
        ({"learning_rate": math.nan}, "learning_rate .* got nan"),
        ({"learning_rate": math.inf}, "learning_rate .* got inf"),
        ({"learning_rate": "0.1"}, "learning_rate .* got '0.1'"),
        ({"learning_rate": None}, "learning_rate .* got None"),
        ({"seed": -1}, "seed must be a whole number, 0 or more, got -1"),
        ({"seed": None}, "seed .* got None"),
    ],
)
def test_a_wrong_setting_is_refused(setting, words):
    with pytest.raises(ValueError, match=words):
        train(**setting)


def pixel(value):
    return lambda split: changed_split(split, value)


def changed_split(split, value):
    images = split.images.clone()
    images[3, 5] = value
    return Split(images, split.labels)


WRONG_SPLITS = {
    "square images": (
        lambda s: Split(s.images.view(-1, 28, 28), s.labels),
        r"images must be float32 of shape \(N, 784\), got .* \(\d+, 28, 28\). Try .*flatten",
    ),
    "bytes": (lambda s: Split(s.images.byte(), s.labels), "must be float32 .* got torch.uint8"),
    "doubles": (
        lambda s: Split(s.images.double(), s.labels),
        "must be float32 .* got torch.float64",
    ),
    "labels as float": (lambda s: Split(s.images, s.labels.float()), "int64 .* got torch.float32"),
    "labels one-hot": (
        lambda s: Split(s.images, F.one_hot(s.labels)),
        r"got .* of shape \(\d+, 10\)",
    ),
    "a label less": (lambda s: Split(s.images, s.labels[1:]), "one label an image"),
    "no image": (lambda s: Split(s.images[:0], s.labels[:0]), "is empty: expected at least one"),
    "a pixel above 1": (pixel(1.5), r"\[0, 1\], got values from .* to 1.5. Divide bytes by 255"),
    "a pixel below 0": (pixel(-0.5), r"\[0, 1\], got values from -0.5"),
    "a pixel that is NaN": (pixel(math.nan), r"\[0, 1\], got values from nan"),
}


@pytest.mark.parametrize("wrong", WRONG_SPLITS)
@pytest.mark.parametrize("part", ["train", "validation"])
def test_wrong_data_is_refused_and_named(wrong, part, digits):
    spoil, words = WRONG_SPLITS[wrong]
    data = replace(digits, **{part: spoil(getattr(digits, part))})
    with pytest.raises(ValueError, match=rf"data\.{part}.*{words}"):
        train(data=data)


# Memory


def test_no_tensor_is_left_behind_by_an_epoch():
    counts = []

    def wrap(loss):
        def counted(model, images, labels):
            if not model.training:
                gc.collect()
                counts.append(
                    sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())
                )
            return loss(model, images, labels)

        return counted

    train("a VAE on pixels drawn anew", epochs=5, wrap=wrap, name="run")
    assert len(set(counts[2:])) == 1


def memory_of_epochs():
    """Resident pages at the validation of each of 60 epochs."""
    pages = []

    def wrap(loss):
        def measured(model, images, labels):
            if not model.training:
                pages.append(int(Path("/proc/self/statm").read_text().split()[1]))
            return loss(model, images, labels)

        return measured

    torch.set_num_threads(1)
    train("a VAE on pixels drawn anew", epochs=60, wrap=wrap)
    return pages


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_epochs(elsewhere):
    pages = elsewhere(memory_of_epochs)
    # one batch's graph is 250 KB: kept, 50 epochs of 5 batches would take 60 MB
    assert (pages[-1] - pages[9]) * os.sysconf("SC_PAGE_SIZE") < 5e6


# History


def history():
    return History(3, [3.0, 2.0], [2.25, 2.5], [0.01, 0.001], [1.0, 1.5])


def test_a_history_says_how_far_it_got_and_what_was_best():
    assert repr(history()) == (
        "History of 2 of 3 epochs, 2 s: best validation loss 2.25 nats per example, in epoch 1"
    )
    assert repr(History(3)) == "History of 0 of 3 epochs, 0 s"
    assert History(3).best is None
    assert History(3, validation=[2, 1, 1]).best == 2  # the first of equals


def test_a_history_tables_itself():
    head, first, second = history().table().splitlines()
    assert head.split() == ["epoch", "train", "validation", "learning", "rate", "seconds"]
    assert first.split() == ["1", "3", "2.25", "0.01", "1.0", "best"]
    assert second.split() == ["2", "2", "2.5", "0.001", "1.5"]
    assert len(History(3).table().splitlines()) == 1


def test_a_history_plots_itself():
    from matplotlib import pyplot as plt

    axes = history().plot()
    train, validation = axes.get_lines()
    assert list(train.get_xdata()) == [1, 2]
    assert train.get_ydata().tolist() == [3.0, 2.0]
    assert validation.get_ydata().tolist() == [2.25, 2.5]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["training", "validation"]
    assert "nats" in axes.get_ylabel()
    other = plt.figure().add_subplot()
    assert history().plot(other) is other
    axes.figure.canvas.draw()
    plt.close("all")
