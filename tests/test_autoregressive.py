"""The belief network against enumeration, and against what each pixel may see."""

import labutils as lab
from labutils.autoregressive import BeliefNetwork

import pytest
import torch


def network(hidden_dim=0, pixels=5, seed=0):
    """One whose weights are drawn, those that a mask hides too."""
    with lab.seeded(seed):
        model = BeliefNetwork(torch.rand(pixels), hidden_dim)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=1.5)
    return model


either = pytest.mark.parametrize("hidden_dim", [0, 3, 40])


def all_images(pixels):
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * pixels)


@either
def test_a_pixel_sees_those_before_it_and_no_other(hidden_dim):
    model, x = network(hidden_dim), torch.rand(5)
    sees = torch.autograd.functional.jacobian(model.logits, x)  # (of, by)
    assert torch.equal(sees != 0, torch.ones(5, 5).tril(-1).bool())


def test_hidden_units_are_spread_over_the_places_and_none_is_idle():
    model = network(hidden_dim=8)
    looks, output = model._masked()
    places = (looks != 0).sum(1)
    assert places.tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert torch.equal((output != 0).sum(0), 5 - places)


def test_it_starts_as_independent_pixels():
    mean = torch.tensor([0.2, 0.0, 1.0, 0.7])
    x = all_images(4)
    independent = torch.distributions.Bernoulli(mean.clamp(0.01, 0.99)).log_prob(x).sum(-1)
    for model in (BeliefNetwork(mean), BeliefNetwork(mean, hidden_dim=6)):
        assert torch.allclose(model.log_prob(x), independent, atol=1e-5)


@either
def test_samples_are_as_frequent_as_their_probability(hidden_dim):
    model, x = network(hidden_dim), all_images(5)
    with lab.seeded(1):
        samples = model.sample(200_000)
    index = (samples @ torch.tensor([16.0, 8, 4, 2, 1])).long()
    frequency = torch.bincount(index, minlength=32) / len(samples)
    assert torch.allclose(frequency, model.log_prob(x).exp(), atol=0.005)


@either
def test_pixel_by_pixel_gives_the_logits_of_whole_images(hidden_dim):
    model, x, seen = network(hidden_dim), all_images(5), []

    def given(d, logits):
        seen.append(logits)
        return x[:, d]

    assert torch.equal(model.pixel_by_pixel(len(x), given), x)
    assert torch.allclose(torch.stack(seen, -1), model.logits(x), atol=1e-5)


@pytest.mark.parametrize("hidden_dim", [0, 200])
def test_who_reads_has_the_logits_of_who_wrote_to_the_last_bit(hidden_dim):
    """Or else a decoder loses its place: of a size at which torch sums in parts."""
    model, logits = network(hidden_dim, pixels=400), []
    with lab.seeded(1):
        x = torch.rand(300, 400).round()

    def write(d, given):
        logits.append(given.clone())
        return x[:, d]

    def read(d, given):
        assert torch.equal(given, logits[d])
        return x[:, d]

    model.pixel_by_pixel(len(x), write)
    model.pixel_by_pixel(len(x), read)


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
