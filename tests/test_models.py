"""The networks return distributions over whole latent vectors and whole images."""

import math

import pytest
import torch
from torch.distributions import Independent

from labutils.models import BernoulliVAE, Classifier, GaussianVAE

LIKELIHOODS = ("bernoulli", "gaussian")
images = torch.rand(7, 784, generator=torch.Generator().manual_seed(0))


# Classifier


def test_the_classifier_has_the_parameters_of_two_affine_layers():
    model = Classifier(784, 512, 10)
    layers = {"proj1.weight", "proj1.bias", "proj2.weight", "proj2.bias"}
    assert {name for name, _ in model.named_parameters()} == layers
    count = sum(weights.numel() for weights in model.parameters())
    assert count == (784 + 1) * 512 + (512 + 1) * 10 == 407_050


def test_logits_are_an_affine_map_of_rectified_features():
    model = Classifier(784, 16, 10).eval()
    features = (images @ model.proj1.weight.T + model.proj1.bias).clamp(min=0)
    logits = features @ model.proj2.weight.T + model.proj2.bias
    assert model.features(images).shape == (7, 16)
    assert torch.allclose(model.features(images), features, atol=1e-6)
    assert model(images).shape == (7, 10)
    assert torch.allclose(model(images), logits, atol=1e-5)


@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.9])
def test_the_dropout_ratio_is_honoured_while_training(ratio):
    model = Classifier(784, 4_000, 4_000, dropout_ratio=ratio)
    with torch.no_grad():  # the second layer hands on what reaches it
        model.proj1.bias.fill_(5)
        model.proj2.weight.copy_(torch.eye(4_000))
        model.proj2.bias.zero_()
    features, seen = model.features(images), model(images)
    dropped = seen == 0
    assert dropped.float().mean().item() == pytest.approx(ratio, abs=0.01)
    assert torch.allclose(seen[~dropped], features[~dropped] / (1 - ratio))
    assert not dropped.all(0).any() or ratio > 0.5  # each image drops its own


def test_half_of_the_units_are_dropped_by_default_and_none_when_evaluated():
    model = Classifier(784, 100, 10)
    assert model.dropout.p == 0.5
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))


# Gaussian VAE


@pytest.fixture(params=LIKELIHOODS)
def vae(request):
    return GaussianVAE(3, 16, request.param)


def test_the_prior_is_a_standard_gaussian(vae):
    prior = vae.prior
    assert (prior.batch_shape, prior.event_shape) == ((), (3,))
    z = torch.randn(5, 3)
    expected = -0.5 * (z**2).sum(-1) - 1.5 * math.log(2 * math.pi)
    assert torch.allclose(prior.log_prob(z), expected)


def test_the_posterior_has_the_mean_and_log_variance_that_the_encoder_gives(vae):
    posterior = vae.posterior(images)
    mean, log_var = vae.encoder(images)[:, :3], vae.encoder(images)[:, 3:]
    assert isinstance(posterior, Independent)
    assert (posterior.batch_shape, posterior.event_shape) == ((7,), (3,))
    assert torch.equal(posterior.mean, mean)
    assert torch.allclose(posterior.variance, log_var.exp())


def test_the_sample_axis_comes_first(vae):
    z = vae.posterior(images).rsample((5,))
    likelihood = vae.likelihood(z)
    assert z.shape == (5, 7, 3)
    assert (likelihood.batch_shape, likelihood.event_shape) == ((5, 7), (784,))
    assert likelihood.log_prob(images.round()).shape == (5, 7)
    assert likelihood.sample().shape == (5, 7, 784)
    assert vae.likelihood(z[0]).batch_shape == (7,)
    assert vae.likelihood(z[0, 0]).batch_shape == ()


def test_gradients_reach_the_encoder_through_the_samples(vae):
    x = images.round()
    vae.likelihood(vae.posterior(x).rsample((2,))).log_prob(x).sum().backward()
    assert all(weights.grad.abs().sum() > 0 for weights in vae.parameters())


def test_a_bernoulli_likelihood_multiplies_probabilities_of_pixels():
    vae, z, x = GaussianVAE(3, 16), torch.randn(7, 3), images.round()
    p = vae.decoder(z).sigmoid()
    expected = (x * p.log() + (1 - x) * (1 - p).log()).sum(-1)
    assert torch.allclose(vae.likelihood(z).log_prob(x), expected, rtol=1e-5)
    assert torch.allclose(vae.likelihood(z).mean, p)


def test_a_gaussian_likelihood_has_one_learned_variance():
    vae, z = GaussianVAE(3, 16, "gaussian"), torch.randn(7, 3)
    assert vae.log_var.shape == () and vae.log_var.requires_grad
    with torch.no_grad():
        vae.log_var.fill_(-1.5)
    variance, mean = math.exp(-1.5), vae.decoder(z)
    squares = ((images - mean) ** 2 / variance).sum(-1)
    expected = -0.5 * (squares + 784 * math.log(2 * math.pi * variance))
    assert torch.allclose(vae.likelihood(z).log_prob(images), expected, rtol=1e-5)


def test_only_the_gaussian_likelihood_has_a_variance():
    with_variance, without = (GaussianVAE(3, 16, name) for name in ("gaussian", "bernoulli"))
    assert set(with_variance.state_dict()) - set(without.state_dict()) == {"log_var"}


def test_samples_are_drawn_from_the_likelihood_not_its_mean(vae):
    drawn = vae.sample(11)
    assert drawn.shape == (11, 784)
    assert not drawn.requires_grad
    if vae.log_var is None:
        assert set(drawn.unique().tolist()) == {0.0, 1.0}
    else:
        with torch.no_grad():
            vae.log_var.fill_(math.log(25))
        assert vae.sample(11).std().item() == pytest.approx(5, rel=0.05)


def test_samples_average_to_the_mean_over_the_prior(vae):
    with torch.no_grad():
        expected = vae.likelihood(vae.prior.sample((4_000,))).mean.mean(0)
        assert torch.allclose(vae.sample(4_000).mean(0), expected, atol=0.1)


def test_another_likelihood_is_refused():
    with pytest.raises(ValueError, match='"bernoulli" or "gaussian", got \'poisson\''):
        GaussianVAE(3, 16, "poisson")


# Bernoulli VAE


@pytest.fixture(params=[None, 16], ids=["linear", "hidden"])
def bits(request):
    return BernoulliVAE(3, request.param)


def test_the_prior_of_a_bit_is_a_fair_coin(bits):
    prior, z = bits.prior, torch.tensor([[0.0, 1, 1], [0.0, 0, 0]])
    assert (prior.batch_shape, prior.event_shape) == ((), (3,))
    assert torch.allclose(prior.log_prob(z), torch.full((2,), -3 * math.log(2)))


def test_the_posterior_has_the_logits_that_the_encoder_gives(bits):
    posterior = bits.posterior(images)
    assert (posterior.batch_shape, posterior.event_shape) == ((7,), (3,))
    assert torch.equal(posterior.base_dist.logits, bits.encoder(images))
    assert torch.allclose(posterior.mean, bits.encoder(images).sigmoid())
    assert set(posterior.sample((50,)).unique().tolist()) == {0.0, 1.0}


def test_the_sample_axis_comes_first_for_bits_too(bits):
    z = bits.posterior(images).sample((5,))
    likelihood = bits.likelihood(z)
    assert z.shape == (5, 7, 3)
    assert (likelihood.batch_shape, likelihood.event_shape) == ((5, 7), (784,))
    assert likelihood.log_prob(images.round()).shape == (5, 7)
    assert torch.allclose(likelihood.mean, bits.decoder(z).sigmoid())


def test_without_a_hidden_layer_both_maps_are_affine():
    model = BernoulliVAE(200, None)
    shapes = {name: tuple(weights.shape) for name, weights in model.named_parameters()}
    assert shapes == {
        "encoder.weight": (200, 784), "encoder.bias": (200,),
        "decoder.weight": (784, 200), "decoder.bias": (784,),
    }  # fmt: skip


def test_a_relaxed_code_can_be_decoded_but_not_scored(bits):
    relaxed = torch.tensor([0.2, 0.5, 1.0])
    assert bits.likelihood(relaxed).mean.shape == (784,)
    for distribution in (bits.prior, bits.posterior(images)):
        with pytest.raises(ValueError, match="support"):
            distribution.log_prob(relaxed)


def test_samples_of_bits_are_binary_images_without_gradient(bits):
    drawn = bits.sample(11)
    assert drawn.shape == (11, 784)
    assert not drawn.requires_grad
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
