"""The networks return distributions over whole latent vectors and whole images."""

from labutils.models import (
    AutoEncoder,
    BernoulliVAE,
    Classifier,
    GaussianVAE,
    fit_mixture,
    start_at_mean,
)

import math

import pytest
import torch
from torch.distributions import Independent, MixtureSameFamily, MultivariateNormal

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
    assert "dropout_ratio=0.5" in repr(model)
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 50])
def test_a_dropout_ratio_that_is_none_is_refused(ratio):
    with pytest.raises(ValueError, match=f"less than 1, got {ratio}"):
        Classifier(784, 16, 10, dropout_ratio=ratio)


@pytest.mark.parametrize("hidden_dim", [None, 20])
def test_a_decoder_that_starts_at_the_mean_decodes_about_the_mean(hidden_dim):
    mean = torch.rand(784)
    mean[:100] = 0  # never inked
    model = start_at_mean(BernoulliVAE(4, hidden_dim), mean.expand(5, -1))
    decoded = model.likelihood(torch.zeros(1, 4)).mean
    assert (decoded - mean.clamp(0.01, 0.99)).abs().mean() < 0.05
    assert decoded.min() > 1e-3, "a pixel that was never inked stays possible"
    assert all(weights.requires_grad for weights in model.parameters())


def test_a_decoder_of_pixels_has_no_logits_to_start_at():
    with pytest.raises(ValueError, match="pixels, not logits"):
        start_at_mean(GaussianVAE(2, 8, likelihood="gaussian"), images)


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


# Autoencoder and mixture


def test_the_autoencoder_goes_through_a_code_and_back():
    model = AutoEncoder(3, 16)
    codes = model.encode(images)
    assert codes.shape == (7, 3)
    assert model.decode(codes).shape == (7, 784)
    assert model.decode(torch.randn(5, 2, 3)).shape == (5, 2, 784)
    assert torch.equal(model(images), model.decode(codes))
    count = sum(weights.numel() for weights in model.parameters())
    assert count == (784 + 1) * 16 + (16 + 1) * 3 + (3 + 1) * 16 + (16 + 1) * 784


def test_its_pixels_are_the_sigmoid_of_what_the_decoder_computes():
    model = AutoEncoder(3, 16)
    pixels = model.decode(torch.randn(50, 3) * 100)
    assert pixels.min() >= 0 and pixels.max() <= 1
    z = torch.randn(4, 3)
    assert torch.allclose(torch.logit(model.decode(z)), model.decoder(z), atol=1e-4)


def test_the_autoencoder_is_deterministic_and_has_no_distribution():
    model = AutoEncoder(3, 16)
    assert torch.equal(model(images), model(images))
    assert not any(hasattr(model, name) for name in ("prior", "posterior", "likelihood", "sample"))


def test_gradients_reach_every_layer_of_the_autoencoder():
    model = AutoEncoder(3, 16)
    (model(images) - images).square().sum().backward()
    assert all(weights.grad.abs().sum() > 0 for weights in model.parameters())


def two_clouds(count=2_000):
    """A quarter of the codes around (-5, 0), the others, stretched, around (5, 0)."""
    codes = torch.randn(count, 2)
    codes[: count // 4] -= torch.tensor([5.0, 0.0])
    codes[count // 4 :] = codes[count // 4 :] * torch.tensor([0.5, 2.0]) + torch.tensor([5.0, 0.0])
    return codes


def test_a_mixture_of_one_is_the_fitted_gaussian():
    codes = two_clouds()
    mixture = fit_mixture(codes, 1)
    assert (mixture.batch_shape, mixture.event_shape) == ((), (2,))
    gaussian = MultivariateNormal(codes.mean(0), codes.T.cov())
    assert torch.allclose(mixture.log_prob(codes), gaussian.log_prob(codes), atol=0.01)


def test_a_mixture_finds_two_clouds_and_how_many_codes_each_has():
    mixture = fit_mixture(two_clouds(), 2)
    order = mixture.component_distribution.mean[:, 0].argsort()
    assert torch.allclose(
        mixture.mixture_distribution.probs[order], torch.tensor([0.25, 0.75]), atol=0.01
    )
    means = mixture.component_distribution.mean[order]
    assert torch.allclose(means, torch.tensor([[-5.0, 0.0], [5.0, 0.0]]), atol=0.2)
    spreads = mixture.component_distribution.variance[order].sqrt()
    assert torch.allclose(spreads, torch.tensor([[1.0, 1.0], [0.5, 2.0]]), atol=0.1)
    drawn = mixture.sample((4_000,))
    assert drawn.dtype == torch.float32
    assert (drawn[:, 0] < 0).float().mean().item() == pytest.approx(0.25, abs=0.03)


def test_samples_of_the_mixture_are_those_of_torch():
    mixture = fit_mixture(two_clouds(), 2)
    ours, theirs = mixture.sample((20_000,)), MixtureSameFamily.sample(mixture, (20_000,))
    assert torch.allclose(ours.mean(0), theirs.mean(0), atol=0.15)
    assert torch.allclose(ours.T.cov(), theirs.T.cov(), rtol=0.1, atol=0.2)
    assert mixture.sample().shape == (2,)
    assert mixture.sample((3, 4)).shape == (3, 4, 2)


def test_the_mixture_is_the_same_each_time_and_leaves_the_random_state():
    codes, before = two_clouds(), torch.get_rng_state()
    first = fit_mixture(codes, 9).log_prob(codes)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(fit_mixture(codes, 9).log_prob(codes), first)
    assert not torch.equal(fit_mixture(codes, 9, seed=1).log_prob(codes), first)


def test_a_lower_tolerance_fits_closer():
    codes = two_clouds()
    sooner, later = (fit_mixture(codes, 9, tolerance=each) for each in (0.1, 1e-5))
    assert later.log_prob(codes).mean() > sooner.log_prob(codes).mean() + 0.001


def test_a_covariance_that_would_be_singular_is_kept_from_it():
    codes = torch.randn(100, 1) @ torch.ones(1, 3)  # on a line in three dimensions
    assert fit_mixture(codes, 2).log_prob(codes).isfinite().all()


def test_codes_that_are_no_codes_are_refused():
    with pytest.raises(ValueError, match="NaN or infinite"):
        fit_mixture(torch.tensor([[0.0, float("nan")]] * 10), 1)
    with pytest.raises(ValueError, match=r"shape \(10,\)"):
        fit_mixture(torch.randn(10), 1)
    with pytest.raises(ValueError, match="from 1 to 3: each needs 3 of the 10 codes.*Got 4"):
        fit_mixture(torch.randn(10, 2), 4)
    with pytest.raises(ValueError, match="Got 0"):
        fit_mixture(torch.randn(10, 2), 0)
    with pytest.raises(ValueError, match="all the same"):
        fit_mixture(torch.ones(10, 2), 1)
