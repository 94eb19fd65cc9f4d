"""Every numbered equation that a function implements, by another route.

The functions of labutils and of the notebooks are compared with quadrature, enumeration,
finite differences or torch.distributions.
"""

import itertools
import math

import torch
from torch.distributions import Bernoulli, Categorical, Normal
from torch.nn import functional as F

from labutils import (
    BernoulliVAE,
    Classifier,
    GaussianVAE,
    elbo,
    importance_bound,
    kl_bernoulli,
    kl_diagonal_gaussian,
    seeded,
)
from labutils.checks import EXERCISES
from labutils.estimators import (
    disarm,
    gumbel_softmax,
    leave_one_out,
    score_function,
    straight_through,
)
from labutils.objectives import exact_elbo, exact_log_likelihood

STEP = 0.05
TICKS = torch.arange(-6, 6, STEP, dtype=torch.float64) + STEP / 2
PLANE = torch.cartesian_prod(TICKS, TICKS)


def tiny_vae(latent_dim=2):
    """A VAE in double precision whose posterior is not too far from the true one."""
    torch.manual_seed(0)
    model = GaussianVAE(latent_dim, hidden_dim=8).double()
    for parameter in model.decoder.parameters():
        parameter.data *= 0.5
    return model


def images(count=3):
    return torch.bernoulli(torch.full((count, 784), 0.3, dtype=torch.float64),
                           generator=torch.Generator().manual_seed(1))  # fmt: skip


def log_joint(model, x, points=PLANE):
    return model.likelihood(points[:, None]).log_prob(x) + model.prior.log_prob(points)[:, None]


def test_eq_2_1_the_network_is_two_maps_and_a_relu_with_a_mask():
    torch.manual_seed(0)
    model = Classifier(12, 7, 4, dropout_ratio=0.25).train()
    x = torch.rand(5, 12)
    with seeded(0):
        mask = (F.dropout(torch.ones(5, 7), 0.25) > 0).float()
    with seeded(0):
        logits = model(x)
    by_hand = torch.zeros(5, 4)
    W1, b1, W2, b2 = (parameter.detach() for parameter in model.parameters())
    for n in range(5):
        for k in range(4):
            hidden = [max(0.0, float(W1[j] @ x[n] + b1[j])) for j in range(7)]
            kept = [float(mask[n, j]) * h / (1 - 0.25) for j, h in enumerate(hidden)]
            by_hand[n, k] = sum(float(W2[k, j]) * h for j, h in enumerate(kept)) + float(b2[k])
    assert torch.allclose(logits.detach(), by_hand, atol=1e-5)


def test_eq_2_2_the_mean_over_all_masks_is_the_network_without_one():
    torch.manual_seed(0)
    x, hidden = torch.rand(1, 6), 4
    layers = (torch.randn(hidden, 6), torch.randn(hidden), torch.randn(3, hidden), torch.randn(3))
    logits = EXERCISES["classifier_logits"].reference
    masks = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * hidden)
    keep = Bernoulli(torch.tensor(0.7)).log_prob(masks).sum(-1).exp()  # enumeration: 16 masks
    mean = (keep[:, None] * logits(x, *layers, masks, 0.3)).sum(0)
    whole = logits(x, *layers, torch.ones(hidden), 0.0)[0]
    assert torch.allclose(mean, whole, atol=1e-5)


def test_eq_2_3_and_2_4_cross_entropy_is_the_negative_log_likelihood_of_a_softmax():
    logits, labels = torch.randn(6, 10), torch.arange(6)
    probabilities = logits.exp() / logits.exp().sum(-1, keepdim=True)
    assert torch.allclose(probabilities, Categorical(logits=logits).probs, atol=1e-6)
    ours = EXERCISES["cross_entropy"].reference(logits, labels)
    assert torch.isclose(ours, -probabilities[range(6), labels].log().mean())


def test_eq_2_5_the_interval_covers_the_true_error_as_often_as_it_says():
    n, p = 10_000, 0.02
    with seeded(0):
        errors = torch.distributions.Binomial(n, torch.tensor(p)).sample((4_000,)) / n
    half = torch.tensor([EXERCISES["half_width"].reference(e, n) for e in errors.tolist()])
    covered = ((errors - p).abs() <= half).float().mean()
    assert abs(covered - 0.95) < 0.015


def test_eq_3_2_the_likelihood_sums_to_one_over_all_images():
    """Over all values of two pixels: the others are independent given z."""
    model, z = tiny_vae(), torch.zeros(1, 2, dtype=torch.float64)
    pixels = model.likelihood(z).base_dist
    total = sum(
        pixels.log_prob(torch.full((1, 784), v, dtype=torch.float64)).exp() for v in (0.0, 1.0)
    )
    assert torch.allclose(total, torch.ones_like(total))
    x = images(1)
    by_hand = torch.where(x == 1, pixels.probs, 1 - pixels.probs).log().sum(-1)
    assert torch.allclose(model.likelihood(z).log_prob(x), by_hand)


def test_eq_3_3_the_posterior_factorises_over_the_latent_dimensions():
    model, x = tiny_vae(), images()
    mean, log_var = model.encoder(x).chunk(2, dim=-1)
    z = torch.randn(3, 2, dtype=torch.float64)
    each = -0.5 * (math.log(2 * math.pi) + log_var + (z - mean) ** 2 / log_var.exp())
    assert torch.allclose(model.posterior(x).log_prob(z), each.sum(-1))


def test_eq_3_5_and_3_8_the_elbo_is_the_integral_by_quadrature():
    model, x = tiny_vae(), images()
    with torch.no_grad(), seeded(0):
        log_q = model.posterior(x).log_prob(PLANE[:, None])
        exact = (log_q.exp() * (log_joint(model, x) - log_q)).sum(0) * STEP**2
        draws = torch.stack([elbo(model, x, 100) for _ in range(50)])
    error = draws.std(0) / math.sqrt(50)
    assert ((draws.mean(0) - exact).abs() < 5 * error + 1e-6).all()


def test_eq_3_6_log_p_is_the_elbo_plus_the_kl_to_the_true_posterior():
    model, x = tiny_vae(), images()
    with torch.no_grad(), seeded(0):
        joint = log_joint(model, x)
        log_p = joint.logsumexp(0) + 2 * math.log(STEP)
        log_q = model.posterior(x).log_prob(PLANE[:, None])
        gap = (log_q.exp() * (log_q - (joint - log_p))).sum(0) * STEP**2
        draws = torch.stack([elbo(model, x, 100) for _ in range(50)])
    error = draws.std(0) / math.sqrt(50)
    assert (gap > 0).all()
    assert ((draws.mean(0) + gap - log_p).abs() < 5 * error + 1e-6).all()


def test_eq_3_7_the_kl_is_the_integral_of_its_definition():
    mean, log_var = torch.tensor([0.7, -0.4]).double(), torch.tensor([0.3, -1.1]).double()
    q, p = Normal(mean, (log_var / 2).exp()), Normal(torch.zeros(2).double(), 1.0)
    fine = torch.arange(-12, 12, 0.001, dtype=torch.float64)[:, None]
    integral = (q.log_prob(fine).exp() * (q.log_prob(fine) - p.log_prob(fine))).sum() * 0.001
    assert torch.isclose(kl_diagonal_gaussian(mean, log_var), integral, rtol=1e-6)


def test_eq_3_9_reparameterised_gradients_are_those_of_the_exact_expectation():
    """E[z^3] under N(mean, sigma^2) is mean^3 + 3 mean sigma^2: its gradient is known."""
    mean = torch.full((200_000, 1), 0.5, requires_grad=True)
    log_var = torch.full((200_000, 1), -0.6, requires_grad=True)
    with seeded(0):
        eps = torch.randn(200_000, 1)
    z = EXERCISES["reparameterise"].reference(mean, log_var, eps)
    gradients = torch.autograd.grad((z**3).sum(), (mean, log_var))
    variance = math.exp(-0.6)
    for gradient, exact in zip(
        gradients, (3 * 0.25 + 3 * variance, 3 * 0.5 * variance), strict=True
    ):
        assert abs(gradient.mean() - exact) < 5 * gradient.std() / math.sqrt(200_000)


def test_eq_3_10_the_score_function_gives_the_same_gradient():
    mean, sigma = 0.5, 0.8
    with seeded(0):
        z = mean + sigma * torch.randn(400_000)
    estimate = z**3 * (z - mean) / sigma**2
    exact = 3 * mean**2 + 3 * sigma**2
    assert abs(estimate.mean() - exact) < 5 * estimate.std() / math.sqrt(400_000)


def test_eq_3_11_the_importance_bound_rises_from_the_elbo_to_log_p():
    model, x = tiny_vae(), images()
    with torch.no_grad(), seeded(0):
        log_p = log_joint(model, x).logsumexp(0) + 2 * math.log(STEP)
        bounds = [
            torch.stack([importance_bound(model, x, k) for _ in range(200)]).mean(0)
            for k in (1, 10, 1000)
        ]
    assert (bounds[0] < bounds[1]).all() and (bounds[1] < bounds[2]).all()
    assert torch.allclose(bounds[2], log_p, atol=0.05)


def test_eq_3_13_the_gaussian_likelihood_is_a_density_in_every_pixel():
    torch.manual_seed(0)
    model = GaussianVAE(2, 8, likelihood="gaussian").double()
    pixels = model.likelihood(torch.zeros(1, 2).double()).base_dist
    grey = torch.arange(-5, 5, 0.001, dtype=torch.float64)
    total = pixels.log_prob(grey[:, None].expand(-1, 784)).exp().sum(0) * 0.001
    assert torch.allclose(total, torch.ones_like(total), atol=1e-6)


def tiny_bits(latent_dim=3):
    """A VAE with three bits, in double precision, and its eight codes, counted by itertools."""
    torch.manual_seed(0)
    model = BernoulliVAE(latent_dim, hidden_dim=None).double()
    for parameter in model.encoder.parameters():
        parameter.data *= 2.0
    return model, torch.tensor(list(itertools.product((0.0, 1.0), repeat=latent_dim))).double()


def by_hand(model, x, codes):
    """log p(x given z) and q(z given x), pixel by pixel and bit by bit: (codes, images)."""
    pixels, p = model.decoder(codes).sigmoid()[:, None], model.encoder(x).sigmoid()
    log_likelihood = torch.where(x == 1, pixels, 1 - pixels).log().sum(-1)
    q = torch.where(codes[:, None] == 1, p, 1 - p).prod(-1)
    return log_likelihood, q


def test_eq_4_1_the_prior_is_fair_and_the_images_sum_to_one():
    model, codes = tiny_bits()
    assert torch.allclose(model.prior.log_prob(codes).exp(), torch.full((8,), 1 / 8).double())
    x = images()
    log_likelihood, _ = by_hand(model, x, codes)
    assert torch.allclose(exact_log_likelihood(model, x), log_likelihood.exp().mean(0).log())


def test_eq_4_2_the_posterior_factorises_over_the_bits():
    model, codes = tiny_bits()
    x = images()
    _, q = by_hand(model, x, codes)
    assert torch.allclose(q.sum(0), torch.ones(3).double())
    assert torch.allclose(model.posterior(x).log_prob(codes[:, None]).exp(), q)


def test_eq_4_3_the_kl_is_the_sum_of_its_definition_over_all_codes():
    codes = torch.tensor(list(itertools.product((0.0, 1.0), repeat=4))).double()
    logits, prior = torch.tensor([0.3, -2.0, 5.0, 0.0]).double(), torch.tensor([-1.0, 0, 2, 0.5])
    for prior_logits in (torch.zeros(4).double(), prior.double()):
        log_q, log_p = (Bernoulli(logits=a).log_prob(codes).sum(-1) for a in (logits, prior_logits))
        counted = (log_q.exp() * (log_q - log_p)).sum()
        assert torch.isclose(kl_bernoulli(logits, prior_logits), counted)
    fair = EXERCISES["kl_bits"].reference(logits[None])
    assert torch.isclose(fair, kl_bernoulli(logits, 0.0))


def test_eq_4_4_the_loss_is_the_kl_minus_the_mean_over_samples():
    model, codes = tiny_bits()
    x = images()
    log_likelihood, q = by_hand(model, x, codes)
    kl = (q * (q.log() + 3 * math.log(2))).sum(0)
    exact = kl - (q * log_likelihood).sum(0)
    with torch.no_grad(), seeded(0):
        draws = torch.stack([-elbo(model, x, 10) for _ in range(500)])
    error = draws.std(0) / math.sqrt(500)
    assert ((draws.mean(0) - exact).abs() < 5 * error).all()


def test_eq_4_5_the_exact_elbo_and_its_gradient_are_those_of_the_sum_over_codes():
    model, codes = tiny_bits()
    x = images()
    log_likelihood, q = by_hand(model, x, codes)
    counted = (q * (log_likelihood - 3 * math.log(2) - q.log())).sum(0)
    assert torch.allclose(exact_elbo(model, x), counted)
    weights = list(model.parameters())
    expected = torch.autograd.grad(counted.sum(), weights)
    got = torch.autograd.grad(exact_elbo(model, x).sum(), weights)
    assert all(torch.allclose(a, b) for a, b in zip(got, expected, strict=True))


def test_eq_4_6_log_p_is_the_elbo_plus_the_kl_to_the_true_posterior():
    model, codes = tiny_bits()
    x = images()
    log_likelihood, q = by_hand(model, x, codes)
    true = (log_likelihood - 3 * math.log(2)).softmax(0)
    gap = (q * (q.log() - true.log())).sum(0)
    assert (gap > 0).all()
    assert torch.allclose(exact_log_likelihood(model, x), exact_elbo(model, x) + gap)


def test_eq_4_7_the_rate_is_the_information_plus_what_the_average_code_wastes():
    model, codes = tiny_bits()
    x = images(20)
    _, q = by_hand(model, x, codes)
    average = q.mean(1)
    information = (q * (q / average[:, None]).log()).sum() / 20  # of image and code, by definition
    wasted = (average * (average * 8).log()).sum()
    rate = kl_bernoulli(model.encoder(x)).mean()
    assert torch.isclose(rate, information + wasted)
    assert 0 < information < rate < 3 * math.log(2)


def test_eq_4_8_the_slope_of_the_mean_over_one_bit_is_that_of_finite_differences():
    g, logit, h = torch.tensor([-92.0, -90.0]).double(), torch.tensor(0.7).double(), 1e-5

    def mean(logit):
        return logit.sigmoid() * g[1] + (1 - logit.sigmoid()) * g[0]

    slope = (mean(logit + h) - mean(logit - h)) / (2 * h)
    assert torch.isclose(slope, logit.sigmoid() * (-logit).sigmoid() * (g[1] - g[0]), rtol=1e-6)


def of_logits(estimator, model, x, draws):
    """Draws of an estimator's gradient with respect to the logits, the KL's taken away."""
    logits = model.encoder(x).detach().repeat(draws, 1).requires_grad_()
    stand_in = torch.nn.Module()
    stand_in.prior, stand_in.likelihood = model.prior, model.likelihood
    stand_in.posterior = lambda _: torch.distributions.Independent(Bernoulli(logits=logits), 1)
    value = estimator(stand_in, x.repeat(draws, 1)) + kl_bernoulli(logits)
    return torch.autograd.grad(value.sum(), logits)[0].view(draws, len(x), -1)


def expected_gradient(model, x, codes):
    """Of E[g], by the sum over codes: q is differentiated by hand, bit by bit."""
    log_likelihood, q = by_hand(model, x, codes)
    score = codes[:, None] - model.encoder(x).sigmoid()
    return ((log_likelihood * q)[..., None] * score).sum(0).detach()


def agrees(estimator):
    model, codes = tiny_bits()
    x = images()
    with seeded(0):
        drawn = of_logits(estimator, model, x, 1_000)
    error = drawn.std(0) / math.sqrt(1_000)
    return ((drawn.mean(0) - expected_gradient(model, x, codes)).abs() / error).max() < 5


def test_eq_4_9_the_score_function_averages_to_the_sum_over_codes():
    assert agrees(score_function)


def test_eq_4_10_leave_one_out_does_too_and_is_the_formula():
    assert agrees(leave_one_out)
    g, logits = torch.tensor([[-90.0], [-93.0], [-95.0]]), torch.tensor([[0.4, -1.0]])
    z = torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]], [[1.0, 1.0]]])
    score = z - logits.sigmoid()
    total = 4.0 * score[0] - 0.5 * score[1] - 3.5 * score[2]  # g minus the mean of the others
    assert torch.allclose(EXERCISES["leave_one_out_gradient"].reference(g, z, logits), total / 3)


def test_eq_4_11_disarm_does_too_and_is_right_on_average_over_its_noise():
    assert agrees(disarm)
    g, fine = torch.tensor([-92.0, -90.0]).double(), (torch.arange(100_000).double() + 0.5) / 1e5
    for logit in (torch.tensor(a).double() for a in (-1.5, 0.3, 2.0)):
        z, mirrored = (fine < logit.sigmoid()).long(), (1 - fine < logit.sigmoid()).long()
        pair = (g[z] - g[mirrored]) / 2 * (z - mirrored) * logit.abs().sigmoid()
        slope = logit.sigmoid() * (-logit).sigmoid() * (g[1] - g[0])
        assert torch.isclose(pair.mean(), slope, rtol=1e-3)


def test_eq_4_12_straight_through_is_the_decoders_gradient_at_the_bits():
    model, x = tiny_bits()[0], images()
    with seeded(0):
        drawn = of_logits(straight_through, model, x, 1)[0]
    with seeded(0):
        z = model.posterior(x).sample((2,)).requires_grad_()
    p = model.encoder(x).sigmoid()
    (by_bit,) = torch.autograd.grad(model.likelihood(z).log_prob(x).mean(0).sum(), z)
    assert torch.allclose(drawn, (by_bit.sum(0) * p * (1 - p)).detach())
    assert not agrees(straight_through)


def test_eq_4_13_relaxed_bits_round_to_bits_and_their_gradient_is_finite_differences():
    logits, u = torch.tensor([[0.4, -1.0]]).double(), torch.rand(200_000, 2).double()
    z = EXERCISES["relaxed_bits"].reference(logits, u, 0.5)
    share = (z > 0.5).double().mean(0)
    assert ((share - logits[0].sigmoid()).abs() < 5 * 0.5 / math.sqrt(200_000)).all()
    model, x, h = tiny_bits()[0], images(), 1e-6
    with seeded(0):
        drawn = of_logits(gumbel_softmax, model, x, 1)[0]

    with seeded(0):
        noise = torch.rand(2, *model.encoder(x).shape, dtype=torch.float64)
    for bit in range(3):
        shift = h * torch.eye(3)[bit].double()
        up, down = (
            model.likelihood(
                EXERCISES["relaxed_bits"].reference(model.encoder(x) + s, noise, 0.5)
            ).log_prob(x).mean(0)
            for s in (shift, -shift)
        )  # fmt: skip
        assert torch.allclose(drawn[:, bit], ((up - down) / (2 * h)).detach(), rtol=1e-4)


def test_eq_4_14_the_error_is_bias_squared_plus_variance():
    model, codes = tiny_bits()
    x = images(1)
    exact = expected_gradient(model, x, codes)
    with seeded(0):
        drawn = of_logits(straight_through, model, x, 1_000)
    error = ((drawn - exact) ** 2).sum(-1).mean()
    bias, variance = drawn.mean(0) - exact, drawn.var(0, unbiased=False)
    assert torch.isclose(error, (bias**2).sum() + variance.sum())
