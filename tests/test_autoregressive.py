"""The belief network against enumeration, and against what each pixel may see."""

import labutils as lab
from labutils.autoregressive import BeliefNetwork

import pytest
import torch


def network(pixels=5, seed=0):
    """One whose weights are drawn, those above the diagonal too."""
    with lab.seeded(seed):
        model = BeliefNetwork(torch.rand(pixels))
        torch.nn.init.normal_(model.weight, std=1.5)
    return model


def all_images(pixels):
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * pixels)


def test_a_pixel_sees_those_before_it_and_no_other():
    model, x = network(), torch.rand(5)
    sees = torch.autograd.functional.jacobian(model.logits, x)  # (of, by)
    assert torch.equal(sees != 0, torch.ones(5, 5).tril(-1).bool())


def test_it_starts_as_independent_pixels():
    mean = torch.tensor([0.2, 0.0, 1.0, 0.7])
    x = all_images(4)
    independent = torch.distributions.Bernoulli(mean.clamp(0.01, 0.99)).log_prob(x).sum(-1)
    assert torch.allclose(BeliefNetwork(mean).log_prob(x), independent, atol=1e-5)


def test_samples_are_as_frequent_as_their_probability():
    model, x = network(), all_images(5)
    with lab.seeded(1):
        samples = model.sample(200_000)
    index = (samples @ torch.tensor([16.0, 8, 4, 2, 1])).long()
    frequency = torch.bincount(index, minlength=32) / len(samples)
    assert torch.allclose(frequency, model.log_prob(x).exp(), atol=0.005)


def test_any_leading_axes_and_a_gradient():
    model, x = network(), all_images(5)
    assert torch.equal(model.log_prob(x.view(4, 8, 5)), model.log_prob(x).view(4, 8))
    (gradient,) = torch.autograd.grad(model.log_prob(x).sum(), model.weight)
    assert torch.equal(gradient != 0, torch.ones(5, 5).tril(-1).bool())


@pytest.mark.parametrize("n", [0, 1.5])
def test_a_number_of_samples_is_a_whole_one(n):
    with pytest.raises(ValueError, match="n must be"):
        network().sample(n)


def test_its_mean_must_be_a_tensor():
    with pytest.raises(ValueError, match="mean"):
        BeliefNetwork([0.5, 0.5])
