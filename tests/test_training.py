"""fit() learns, keeps the best, goes on where it stopped, and says what is wrong with its input."""

from labutils import training
from labutils.data import Split, binarize
from labutils.models import Classifier, GaussianVAE
from labutils.objectives import elbo
from labutils.runtime import own_seed, seeded
from labutils.training import History, fit

import gc
import math
import os
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import small_digits
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
    """A loss that is disturbed at one step of the training, counted from 1."""

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
    fit(model, cross_entropy, digits, **SETTINGS)
    assert torch.equal(model.proj1.weight, before[0])
    assert not torch.equal(model.proj2.weight, before[1])


def test_images_may_be_every_second_one_of_a_larger_tensor(digits):
    _, history = train(data=replace(digits, train=digits.train[::2]))
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


def test_the_random_state_outside_stays_as_it_was(digits):
    with seeded(1):
        model = Classifier(784, 8, 10)
    assert leaves_random_state(lambda: fit(model, cross_entropy, digits, **SETTINGS))


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


@pytest.mark.parametrize("seed", [0, 1])
def test_what_trains_is_not_drawn_from_the_numbers_that_drew_the_weights(seed, digits):
    drawn = []

    def wrap(loss):
        def noted(model, images, labels):
            drawn.append(images[:, 0] if model.training else torch.rand(5))
            return loss(model, images, labels)

        return noted

    train(data=digits, wrap=wrap, epochs=1, batch_size=100, seed=seed)
    batch, in_validation = drawn
    with seeded(seed):
        order = torch.randperm(100)
    assert not torch.equal(batch, digits.train.images[order, 0])
    with seeded(seed):
        assert not torch.equal(in_validation, torch.rand(5))


# Interrupted


def test_an_interrupted_run_is_usable():
    with pytest.warns(UserWarning, match=r"interrupted in epoch 3 of 4.*starts anew") as caught:
        model, history = train(wrap=disturbed(2 * STEPS + 3, interrupt))
    assert [warning.filename for warning in caught] == [__file__]
    assert len(history) == len(history.train) == 2
    assert history.table().count("\n") == 2
    loss = cross_entropy(model, *vars(small_digits().validation).values())
    assert loss.item() == min(history.validation)


# What goes wrong


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_stops_at_once(value):
    calls = []

    def wrap(loss):
        spoilt = disturbed(3 * STEPS + 3, lambda loss: loss * value)(loss)
        return counting(calls)(spoilt)

    with pytest.raises(FloatingPointError) as caught:
        train(wrap=wrap)
    assert calls.count(True) == 3 * STEPS + 3
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
def test_a_loss_that_is_not_one_number_is_refused(wrong):
    spoil, words = WRONG_LOSSES[wrong]
    with pytest.raises(ValueError, match=words):
        train(wrap=lambda loss: lambda *batch: spoil(loss(*batch)))


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


def test_what_is_not_digits_is_refused(digits):
    with seeded(1):
        model = Classifier(784, 8, 10)
    for wrong in (digits.train, digits.train.images, None):
        with pytest.raises(ValueError, match="data must be Digits, with a split to train on"):
            fit(model, cross_entropy, wrong, **SETTINGS)


def test_a_loss_that_knows_nothing_of_the_weights_is_refused():
    with pytest.raises(ValueError, match="does not depend on the model's weights"):
        train(wrap=lambda loss: lambda *batch: loss(*batch).detach())


def test_a_model_without_weights_is_refused(digits):
    with pytest.raises(ValueError, match="no weights that can be trained"):
        fit(torch.nn.Flatten(), cross_entropy, digits, **SETTINGS)


def test_what_is_no_model_is_refused(digits):
    with pytest.raises(ValueError, match="must be a torch module, got <function cross_entropy"):
        fit(cross_entropy, Classifier(784, 8, 10), digits, **SETTINGS)


@pytest.mark.parametrize("which", ["loss", "validation_loss"])
def test_what_is_no_function_is_refused(which, digits):
    arguments = {"loss": cross_entropy, **SETTINGS, which: "cross_entropy"}
    with pytest.raises(ValueError, match=r"function, loss\(.*got 'cross_entropy'"):
        fit(Classifier(784, 8, 10), data=digits, **arguments)


def test_a_loss_of_another_model_is_refused(digits):
    model, other = Classifier(784, 8, 10), Classifier(784, 8, 10)
    with pytest.raises(ValueError, match="not depend on the weights of the model that is trained"):
        fit(model, lambda _, *batch: cross_entropy(other, *batch), digits, **SETTINGS)


def test_a_model_with_some_weights_of_another_type_is_refused(digits):
    model = Classifier(784, 8, 10)
    model.proj2.bfloat16()
    with pytest.raises(ValueError, match="weights torch.bfloat16"):
        fit(model, cross_entropy, digits, **SETTINGS)


def test_a_model_made_under_inference_mode_is_refused(digits):
    with torch.inference_mode():
        model = Classifier(784, 8, 10)
        with pytest.raises(ValueError, match="Make it anew outside"):
            fit(model, cross_entropy, digits, **SETTINGS)


@pytest.mark.parametrize("number", [np.int64(4), np.uint8(4), torch.tensor(4)])
def test_whole_numbers_of_other_libraries_are_whole_numbers(number):
    assert len(train(epochs=number)[1]) == 4


def test_a_learning_rate_of_another_library_is_one():
    assert identical(train(learning_rate=np.float64(0.01))[0], train()[0])


# Torch's state


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_it_trains_where_gradients_are_off(off, digits):
    whole, _ = train()
    with seeded(1):
        model = Classifier(784, 8, 10)
    with off():
        fit(model, cross_entropy, digits, **SETTINGS)
        assert not torch.is_grad_enabled()
    assert identical(model, whole)


def test_a_model_of_doubles_is_refused_with_advice(digits):
    torch.set_default_dtype(torch.float64)
    try:
        model = Classifier(784, 8, 10)
        with pytest.raises(ValueError, match=r"weights torch.float64.*set_default_dtype"):
            fit(model, cross_entropy, digits, **SETTINGS)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("interrupted", [False, True])
@pytest.mark.filterwarnings("ignore:Training was interrupted")
def test_no_gradient_is_left_behind(interrupted):
    model, _ = train(wrap=disturbed(STEPS + 3 if interrupted else 0, interrupt))
    assert all(weights.grad is None for weights in model.parameters())


def test_gradients_of_before_do_not_matter(digits):
    whole, _ = train()
    with seeded(1):
        model = Classifier(784, 8, 10)
    cross_entropy(model, digits.train.images, digits.train.labels).backward()
    fit(model, cross_entropy, digits, **SETTINGS)
    assert identical(model, whole)


# The schedule


def test_one_step_in_all_trains():
    before, _ = train(learning_rate=1e-30)
    after, history = train(epochs=1, batch_size=100)
    moved = (after.proj1.weight - before.proj1.weight).abs().max().item()
    assert moved > 0.005  # Adam's first step is as long as its learning rate
    assert history.learning_rate[0] > 0.005


def test_a_plain_loop_with_the_settings_that_the_docstring_names_gives_the_same_bits(digits):
    whole, history = train(seed=1)
    with seeded(1):
        model = Classifier(784, 8, 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, EPOCHS * STEPS)
    rates = []
    with seeded(own_seed(1, "training")):
        for _ in range(EPOCHS):
            for batch in torch.randperm(100).split(20):
                model.train()
                value = cross_entropy(model, digits.train.images[batch], digits.train.labels[batch])
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
                rates.append(schedule.get_last_lr()[0])
                schedule.step()
    assert history.best == EPOCHS
    assert history.learning_rate == rates[STEPS - 1 :: STEPS]
    for ours, plain in zip(whole.parameters(), model.parameters(), strict=True):
        assert torch.allclose(ours, plain, atol=1e-5)  # fit() has a fused optimiser


def test_a_loss_is_told_the_progress():
    seen, validated = [], []

    def wrap(loss):
        def told(model, images, labels, progress):
            (seen if model.training else validated).append(progress)
            return loss(model, images, labels)

        return told

    train(wrap=wrap)
    assert seen == [step / (EPOCHS * STEPS - 1) for step in range(EPOCHS * STEPS)]
    assert validated == [1.0] * EPOCHS
    train(wrap=wrap, epochs=1, batch_size=100)
    assert seen[-1] == 0


def test_a_loss_that_is_a_module_is_told_the_progress(digits):
    seen = []

    class Scheduled(torch.nn.Module):
        def forward(self, model, images, labels, progress=None):
            seen.append(progress)
            return cross_entropy(model, images, labels)

    fit(Classifier(784, 8, 10), Scheduled(), digits, **SETTINGS)
    assert seen[0] == 0
    assert seen[-1] == 1


@pytest.mark.parametrize("which", ["loss", "validation_loss"])
def test_a_progress_that_the_user_holds_at_one_value_stays_there(which, digits):
    seen = []

    def told(model, images, labels, progress):
        seen.append(progress)
        return cross_entropy(model, images, labels)

    held = {"loss": cross_entropy, **SETTINGS, which: partial(told, progress=0.25)}
    fit(Classifier(784, 8, 10), data=digits, **held)
    assert set(seen) == {0.25}


def test_the_validation_loss_may_be_another(digits):
    calls = []

    def count(model, images, labels):
        calls.append(model.training)
        return cross_entropy(model, images, labels) + 1

    _, history = train(validation_loss=count)
    assert calls == [False] * EPOCHS
    assert history.validation == pytest.approx([v + 1 for v in train()[1].validation])


# The device


@pytest.mark.skipif(torch.cuda.is_available(), reason="it can be used")
def test_a_device_that_cannot_be_used_is_named(monkeypatch):
    whole, _ = train()
    monkeypatch.setenv("LABUTILS_DEVICE", "cuda")
    with pytest.warns(UserWarning, match="cuda cannot be used .*training on the CPU") as caught:
        model, _ = train()
    assert [warning.filename for warning in caught] == [__file__]
    assert identical(model, whole)


@pytest.mark.parametrize("name", ["meta", "hpu", "vulkan"])
def test_a_device_that_torch_knows_but_lacks_leads_to_the_cpu(name, monkeypatch):
    monkeypatch.setenv("LABUTILS_DEVICE", name)
    with pytest.warns(UserWarning, match=rf"{name} cannot be used \(.{{1,200}}\): training on"):
        train(epochs=1)


@pytest.mark.parametrize("name", ["CPU", '"cpu"', " cpu "])
def test_a_device_is_read_as_a_folder_is(name, monkeypatch):
    monkeypatch.setenv("LABUTILS_DEVICE", name)
    train(epochs=1)


def test_a_device_that_does_not_exist_is_refused(monkeypatch):
    monkeypatch.setenv("LABUTILS_DEVICE", "gpu")
    with pytest.raises(ValueError, match="LABUTILS_DEVICE must be .* got 'gpu'"):
        train(epochs=1)


def test_a_device_that_is_full_leads_to_the_cpu(request):
    whole, _ = train()
    request.getfixturevalue("full_device")
    with pytest.warns(UserWarning, match="The memory of meta is full: training on the CPU"):
        model, _ = train()
    assert identical(model, whole)


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

    train("a VAE on pixels drawn anew", epochs=5, wrap=wrap)
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


def test_the_table_of_a_long_history_has_about_twenty_lines():
    losses = [float(abs(epoch - 33)) for epoch in range(1, 104)]
    rates = [0.01] * 103
    _, *lines = History(103, losses, losses, rates, rates).table().splitlines()
    epochs = [int(line.split()[0]) for line in lines]
    assert epochs == sorted({*range(6, 103, 6), 33, 103})
    assert [line.split()[0] for line in lines if "best" in line] == ["33"]
