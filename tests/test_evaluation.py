"""What is reported is right, and the same each time."""

import math
import os
import re

import pytest
import torch
from torch import nn

from labutils.evaluation import (
    accuracy,
    bits_per_dimension,
    log_likelihood,
    paired_bootstrap,
    scoreboard,
)
from labutils.models import Classifier, GaussianVAE
from labutils.objectives import importance_bound
from labutils.training import runs_folder

logits = torch.eye(10)
labels = torch.arange(10)


@pytest.fixture
def images():
    return torch.rand(25, 784).round()


@pytest.mark.parametrize("wrong", [0, 1, 3, 10])
def test_accuracy_is_the_fraction_that_is_right(wrong):
    given = labels.clone()
    given[:wrong] = (given[:wrong] + 1) % 10
    result = accuracy(nn.Identity(), logits, given)
    assert isinstance(result, float)
    assert result == pytest.approx(1 - wrong / 10)


def test_accuracy_is_measured_without_dropout():
    model, images = Classifier(784, 64, 10), torch.rand(500, 784)
    labels = model.eval()(images).argmax(-1)
    assert accuracy(model.train(), images, labels) == 1


@pytest.mark.parametrize("images, labels", [(logits, labels[:9]), (logits[:0], labels[:0])])
def test_accuracy_refuses_images_without_labels(images, labels):
    with pytest.raises(ValueError, match=f"got {len(images)} images and {len(labels)} labels"):
        accuracy(nn.Identity(), images, labels)


def test_log_likelihood_is_the_importance_bound_of_each_image(images):
    model = GaussianVAE(2, 8)
    bounds = log_likelihood(model, images, 200, batch_size=10)
    assert bounds.shape == (25,)
    assert not bounds.requires_grad
    assert torch.allclose(bounds, importance_bound(model, images, 200), atol=2)
    worse = log_likelihood(model, images, 1, batch_size=10)
    assert worse.mean() < bounds.mean()


def test_log_likelihood_keeps_the_order_of_the_images(images):
    images[7] = 0
    model = GaussianVAE(2, 8)
    with torch.no_grad():
        model.decoder[-1].bias.fill_(-5)  # nothing is likelier than an empty page
    assert log_likelihood(model, images, 5, batch_size=4).argmax() == 7


def test_log_likelihood_is_the_same_for_the_same_seed(images):
    model, before = GaussianVAE(2, 8), torch.get_rng_state()
    first = log_likelihood(model, images, 5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert torch.equal(log_likelihood(model, images, 5), first)
    assert not torch.equal(log_likelihood(model, images, 5, seed=1), first)


def test_log_likelihood_refuses_no_image_and_no_sample(images):
    with pytest.raises(ValueError, match="at least one image"):
        log_likelihood(GaussianVAE(2, 8), images[:0], 5)
    with pytest.raises(ValueError, match="num_samples"):
        log_likelihood(GaussianVAE(2, 8), images, 0)


def test_bits_per_dimension_of_coin_flips_is_one():
    assert bits_per_dimension(784 * math.log(0.5)) == pytest.approx(1)


def test_the_paired_interval_covers_the_true_difference_as_often_as_it_says():
    """Two models whose values differ by 1 on average, on images that vary far more."""
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(300):
        images = 30 * torch.randn(200, generator=generator)
        noise = torch.randn(200, generator=generator)
        mean, low, high = paired_bootstrap(images + 1 + noise, images, draws=300)
        assert low < mean < high < low + 0.5, "the spread of the images cancels"
        covered += low <= 1 <= high
    assert 0.91 < covered / 300 < 0.98


def test_the_bootstrap_refuses_values_that_are_not_paired():
    with pytest.raises(ValueError, match=r"got shapes \(3,\) and \(2,\)"):
        paired_bootstrap(torch.zeros(3), torch.zeros(2))


SET = {"source": "mnist", "split": "test", "binarisation": "one draw"}
values = torch.tensor([-100.0, -110.0, -120.0])


def test_the_scoreboard_keeps_what_was_entered_and_sorts_it():
    scoreboard("coins", values - 200, kind="exact", **SET)
    board = scoreboard("VAE", values, kind="bound", num_samples=1000, **SET)
    assert [row["model"] for row in board.rows] == ["VAE", "coins"]
    assert board.rows == scoreboard(source="mnist").rows, "it is read from the file again"
    assert board.rows[0]["nats"] == -110
    assert board.rows[0]["error"] == pytest.approx(10 / math.sqrt(3))
    assert board.rows[0]["images"] == 3
    lines = repr(board).splitlines()
    assert re.search(
        r"VAE +-110.00 +5.77 +0.202  bound, K = 1000 +3 test images, one draw", lines[1]
    )


def test_entering_a_row_again_replaces_it():
    for shift in (0, 5):
        board = scoreboard("VAE", values + shift, kind="ELBO", **SET)
    assert [row["nats"] for row in board.rows] == [-105]
    board = scoreboard("VAE", values, kind="bound", num_samples=10, **SET)
    assert len(board.rows) == 2, "another kind of number is another row"


def test_rows_on_other_data_are_kept_but_not_shown():
    scoreboard("VAE", values, kind="ELBO", **SET)
    assert scoreboard(source="bundled").rows == []
    assert "no row yet" in repr(scoreboard(source="bundled"))
    scoreboard("VAE", values, kind="ELBO", **(SET | {"source": "bundled"}))
    assert len(scoreboard(source="mnist").rows) == 1


ROW = '[{"model": "m", "kind": "k", "split": "s", "binarisation": "b", "error": 1.0, "images": 2, '


@pytest.mark.parametrize(
    "text",
    [
        "", "[{", "7", "{}", "[7]", "\x00\x01", "[" * 100_000,
        ROW + '"num_samples": 1, "nats": -1.0}]',
        ROW + '"num_samples": 1, "source": "mnist", "nats": NaN}]',
    ],
)  # fmt: skip
def test_a_damaged_scoreboard_is_set_aside(text):
    scoreboard("VAE", values, kind="ELBO", **SET)
    file = runs_folder() / "scoreboard.json"
    file.write_text(text)
    with pytest.warns(UserWarning, match="damaged. It was set aside as scoreboard.damaged.json"):
        board = scoreboard("coins", values, kind="exact", **SET)
    assert [row["model"] for row in board.rows] == ["coins"]
    assert file.with_suffix(".damaged.json").read_text() == text


def test_a_scoreboard_that_cannot_be_kept_is_still_shown():
    runs_folder().parent.mkdir(parents=True, exist_ok=True)
    runs_folder().write_text("a file, where a folder should be")
    with pytest.warns(UserWarning, match="cannot be kept"):
        board = scoreboard("VAE", values, kind="ELBO", **SET)
    assert [row["model"] for row in board.rows] == ["VAE"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "guess"}, "kind"),
        ({"split": None}, "split"),
        ({"binarisation": ""}, "binarisation"),
        ({"kind": "bound"}, "num_samples"),
        ({"num_samples": 5}, "num_samples"),
        ({"nats": -100.0}, "tensor"),
        ({"nats": values[:1]}, "at least 2"),
        ({"nats": torch.tensor([-1.0, -math.inf])}, "got 1 values that are not"),
        ({"nats": -values}, "Was a loss passed"),
    ],
)
def test_a_row_that_is_not_complete_is_refused(wrong, message):
    row = {"model": "VAE", "nats": values, "kind": "ELBO", **SET} | wrong
    with pytest.raises(ValueError, match=message):
        scoreboard(**row)
    assert scoreboard(source="mnist").rows == []


def enter(number, folder):
    os.environ["LABUTILS_RUNS"] = folder
    for row in range(20):
        scoreboard(f"model {number}.{row}", values, kind="ELBO", **SET)


def test_processes_that_enter_rows_at_once_lose_none(processes):
    folder = str(runs_folder())
    started = [processes.Process(target=enter, args=(number, folder)) for number in range(4)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert len(scoreboard(source="mnist").rows) == 80
