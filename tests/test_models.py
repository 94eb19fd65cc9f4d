"""The networks return distributions over whole latent vectors and whole images."""

from labutils import models, objectives
from labutils.mixtures import BernoulliMixture, GaussianMixture
from labutils.models import AutoEncoder, BernoulliVAE, Classifier, GaussianVAE, start_at_mean
from labutils.runtime import seeded

import copy
import io
import math

import pytest
import torch
from torch.distributions import (
    Bernoulli,
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)

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


# Another prior

shifted = Independent(Normal(torch.tensor([3.0, 3, 3]), torch.full((3,), 0.1)), 1)
certain = Independent(Bernoulli(logits=torch.tensor([50.0, -50, 50])), 1)
mixed = MixtureSameFamily(
    Categorical(torch.tensor([0.3, 0.7])),
    MultivariateNormal(torch.tensor([[1.0, 2, 3], [-1.0, 0, 1]]), torch.eye(3)),
)
BOUNDS = [objectives.elbo, objectives.importance_bound]


@pytest.fixture(params=["gaussian", "bits"])
def model_and_prior(request):
    return (
        (GaussianVAE(3, 16), shifted)
        if request.param == "gaussian"
        else (BernoulliVAE(3, 16), certain)
    )


def test_a_model_under_another_prior_is_a_copy(model_and_prior):
    model, prior = model_and_prior
    other, own = model.with_prior(prior), model.prior
    z = prior.sample((5,))
    assert torch.equal(other.prior.log_prob(z), prior.log_prob(z))
    assert type(other) is type(model) and model.prior is own
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    with torch.no_grad():
        for weights in other.parameters():
            weights.zero_()
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in before)


def test_the_prior_is_not_part_of_what_is_saved(model_and_prior):
    model, prior = model_and_prior
    other, names = model.with_prior(prior), {name for name, _ in model.named_parameters()}
    assert set(model.state_dict()) == set(other.state_dict()) == names
    model.load_state_dict(other.state_dict())
    file = io.BytesIO()
    torch.save(other, file)
    file.seek(0)
    for again in (copy.deepcopy(other), torch.load(file, weights_only=False)):
        z = prior.sample((5,))
        assert torch.equal(again.prior.log_prob(z), prior.log_prob(z))


def test_samples_come_from_the_other_prior():
    model = BernoulliVAE(3, None)
    with torch.no_grad():  # the first 3 pixels show the bits
        model.decoder.weight.zero_()
        model.decoder.bias.zero_()
        model.decoder.weight[:3] = 100 * torch.eye(3)
        model.decoder.bias[:3] = -50
    assert torch.equal(
        model.with_prior(certain).sample(20)[:, :3], torch.tensor([[1.0, 0, 1]]).expand(20, 3)
    )
    assert len(model.sample(200)[:, :3].unique(dim=0)) == 8


@pytest.mark.parametrize("prior", [shifted, mixed], ids=["gaussian", "mixture"])
def test_the_elbo_under_another_prior_differs_by_the_mean_log_ratio(prior, monkeypatch):
    """The same draws: the likelihood and the entropy of the posterior cancel."""
    monkeypatch.setattr(models, "PIXELS", 30)  # few, so that many draws are cheap
    model, x = GaussianVAE(3, 16), images[:, :30].round()
    own = model.prior
    with torch.no_grad():
        z = model.posterior(x).sample((20_000,))
        expected = (prior.log_prob(z) - own.log_prob(z)).mean(0)
        values = []
        for each in (model.with_prior(prior), model):
            with seeded(1):
                values.append(objectives.elbo(each, x, 20_000))
    assert torch.allclose(values[0] - values[1], expected, rtol=0.02, atol=0.1)


def test_bits_under_a_mixture_of_templates_have_every_bound(monkeypatch):
    monkeypatch.setattr(models, "PIXELS", 30)
    codes = torch.tensor([[1.0, 1, 0], [0.0, 0, 1]]).repeat(20, 1)
    model = BernoulliVAE(3, 16).with_prior(BernoulliMixture.fit(codes, 2, seed=0))
    x = images[:, :30].round()
    with torch.no_grad():
        exact = objectives.exact_elbo(model, x)
        assert torch.allclose(objectives.elbo(model, x, 20_000), exact, atol=0.1)
        log_p = objectives.exact_log_likelihood(model, x)
        assert torch.allclose(objectives.importance_bound(model, x, 20_000), log_p, atol=0.1)
    assert (log_p > exact).all()


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("prior", [None, "fitted"])
@pytest.mark.parametrize("make", [GaussianVAE, BernoulliVAE])
def test_in_double_precision_the_prior_agrees_with_the_weights(make, prior, bound):
    """Whether the model is made in double precision or turned to it, the prior before or after."""
    codes = torch.randn(50, 3)
    if make is GaussianVAE:
        given = GaussianMixture.fit(codes, 2, seed=0)
    else:
        given = BernoulliMixture.fit((codes > 0).float(), 2, seed=0)
    torch.set_default_dtype(torch.float64)
    try:
        born = make(3, 8)
    finally:
        torch.set_default_dtype(torch.float32)
    turned = make(3, 8)
    if prior:
        born, turned = born.with_prior(given), turned.with_prior(given)
    for model in (born, turned.double()):
        assert bound(model, images.round().double(), 3).dtype == torch.float64
        assert model.prior.sample((2,)).dtype == model.sample(2).dtype == torch.float64
    assert given.sample((2,)).dtype == torch.float32, "the distribution given stays as it was"


def test_the_prior_goes_to_the_device_of_the_weights(model_and_prior):
    model, prior = model_and_prior
    for each in (model, model.with_prior(prior)):
        assert each.to("meta").prior.sample((2,)).device.type == "meta"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Normal(0.0, 1.0), "Independent"),
        (Normal(torch.zeros(3), 1.0), "Independent"),
        (Independent(Normal(torch.zeros(2), 1.0), 1), r"shape \(3,\), got .* over shape \(2,\)"),
        (Independent(Normal(torch.zeros(4, 3), 1.0), 1), r"got \(4,\) densities"),
        (torch.zeros(3), "must be a torch distribution, got Tensor"),
        (None, "must be a torch distribution, got NoneType"),
    ],
)
def test_a_prior_over_other_codes_is_refused(wrong, message, model_and_prior):
    with pytest.raises(ValueError, match=message):
        model_and_prior[0].with_prior(wrong)


def test_bits_and_real_numbers_are_not_exchanged():
    with pytest.raises(ValueError, match="codes of this model are bits"):
        BernoulliVAE(3, 16).with_prior(shifted)
    with pytest.raises(ValueError, match="codes of this model are real numbers"):
        GaussianVAE(3, 16).with_prior(certain)


# Autoencoder


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
