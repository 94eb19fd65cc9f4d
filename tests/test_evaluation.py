"""What is reported is right, and the same each time."""

import pytest
import torch
from torch import nn

from labutils.evaluation import accuracy, log_likelihood
from labutils.models import Classifier, GaussianVAE
from labutils.objectives import importance_bound

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
