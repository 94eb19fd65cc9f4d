"""Notebook 01: likelihood, Bayes' rule, change of variables, latent variables, energies, EM."""

import labutils as lab
from labutils.autoregressive import BeliefNetwork
from labutils.exercises import EXERCISES

import itertools
import math

import pytest
import torch
from conftest import fit_by_em
from torch import distributions
from torch.distributions import Bernoulli, Categorical, Independent, MultivariateNormal, Normal

from .oracles import PLANE, STEP
from .reading import from_notebook


@pytest.mark.equation("1.1", "1.3")
def test_gradient_ascent_and_closed_form_find_the_same_maximum():
    reference = EXERCISES["gaussian_log_density"].answer
    ascend, closed_form = from_notebook("01", "ascend", "closed_form")
    x = torch.tensor([1.0, 2.0, 4.0, 9.0])
    best = torch.stack(closed_form(x))
    assert torch.allclose(ascend(x, 2.0, 3.0)[-1], best, atol=1e-3)
    around = best + 0.05 * torch.randn(50, 2)
    values = torch.stack([reference(x, *theta).mean() for theta in around])
    assert (values < reference(x, *best).mean()).all(), "no other value is higher"


@pytest.mark.equation("1.2")
def test_the_gaussian_log_density_is_that_of_torch():
    x, mean, log_var = torch.randn(9), torch.tensor(0.4), torch.tensor(-1.3)
    ours = EXERCISES["gaussian_log_density"].answer(x, mean, log_var)
    assert torch.allclose(ours, Normal(mean, (log_var / 2).exp()).log_prob(x), atol=1e-6)


@pytest.mark.equation("1.4")
def test_the_expected_log_likelihood_is_minus_entropy_minus_kl():
    """With torch's closed forms for entropy and KL, and samples for the expectation."""
    (divergence,) = from_notebook("01", "divergence")
    x = torch.arange(-12, 12, 0.01, dtype=torch.float64)
    data, model = Normal(0.5, 0.8), Normal(-0.3, 1.7)
    kl = divergence(data.log_prob(x), model.log_prob(x), 0.01)
    assert torch.isclose(kl.float(), distributions.kl_divergence(data, model), atol=1e-5)
    with lab.seeded(0):
        terms = model.log_prob(data.sample((100_000,)))
    error = terms.std() / math.sqrt(len(terms))
    assert abs(terms.mean() + data.entropy() + kl) < 5 * error


@pytest.mark.equation("1.5", "1.6")
def test_bayes_rule_gives_the_class_frequencies_at_a_point():
    """Points are drawn from the joint; near one place, the classes occur as the rule says."""
    (fit_gaussians,) = from_notebook("01", "fit_gaussians")
    with lab.seeded(0):
        y = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), 400_000, replacement=True)
        x = torch.tensor([[0.0, 0.0], [1.5, 0.0], [0.0, 2.0]])[y] + torch.randn(400_000, 2)
    density, log_prior = fit_gaussians(x, y)
    assert torch.allclose(density.mean[1], torch.tensor([1.5, 0.0]), atol=0.02)
    assert torch.allclose(density.covariance_matrix, torch.eye(2), atol=0.03)
    place = torch.tensor([0.6, 0.7])
    near = (x - place).norm(dim=-1) < 0.2
    frequency = torch.bincount(y[near], minlength=3) / near.sum()
    log_posterior = EXERCISES["bayes_rule"].answer(density.log_prob(place), log_prior)
    assert torch.allclose(log_posterior.exp(), frequency, atol=0.02)


@pytest.mark.equation("1.7")
def test_the_change_of_variables_is_torchs_log_normal():
    z = torch.randn(20, dtype=torch.float64)
    log_p = EXERCISES["change_of_variables"].answer(Normal(0.0, 1.0).log_prob(z), z.exp())
    assert torch.allclose(log_p, distributions.LogNormal(0.0, 1.0).log_prob(z.exp()))


@pytest.mark.equation("1.4")
def test_the_lines_of_the_derivation_are_those_of_torch():
    p, q = (distributions.Categorical(torch.rand(8).double()) for _ in range(2))
    lines = [EXERCISES[f"likelihood_split.{k}"].answer(p.probs, q.probs) for k in (1, 2, 3)]
    assert torch.isclose(lines[0], (p.probs * q.logits).sum())
    assert torch.isclose(lines[1], p.entropy())
    assert torch.isclose(lines[2], distributions.kl_divergence(p, q))


@pytest.mark.equation("1.8")
def test_the_flow_has_the_density_of_what_its_layers_draw():
    """The way from z to x is written here, and its determinant is autograd's."""
    (Flow,) = from_notebook("01", "Flow", coupling=EXERCISES["coupling"].answer)
    with lab.seeded(0):
        flow = Flow(layers=3, hidden=8).double()
        for layer in flow.layers:
            torch.nn.init.normal_(layer[-1].weight, std=0.5)
        z = torch.randn(20, 2).double()

    def draw(z):
        for layer in reversed(flow.layers):
            z_2, x_1 = z
            shift, log_scale = layer(x_1[None])
            z = torch.stack([x_1, z_2 * (2 * torch.tanh(log_scale / 2)).exp() + shift])
        return z

    jacobians = torch.stack([torch.autograd.functional.jacobian(draw, each) for each in z])
    expected = Normal(0.0, 1.0).log_prob(z).sum(-1) - jacobians.det().abs().log()
    assert torch.allclose(flow.log_prob(torch.stack([draw(each) for each in z])), expected)


@pytest.mark.equation("1.9", "1.10")
def test_a_linear_mixture_is_the_gaussian_that_it_must_be():
    nodes = torch.arange(-8, 8, 0.01, dtype=torch.float64)
    log_weight = Normal(0.0, 1.0).log_prob(nodes) + math.log(0.01)
    log_density, marginal = from_notebook("01", "log_density", "marginal")
    x = torch.linspace(-3, 3, 11, dtype=torch.float64)
    exact = Normal(0.3, math.sqrt(4 + 0.25)).log_prob(x)
    by_quadrature = log_density(x[:, None], lambda z: 0.3 + 2 * z[:, None], 0.5, nodes, log_weight)
    assert torch.allclose(by_quadrature, exact, atol=1e-6)
    with lab.seeded(0):
        z = torch.randn(200_000, 1, dtype=torch.float64)
    assert torch.allclose(marginal(Normal(0.3 + 2 * z, 0.5).log_prob(x)), exact, atol=0.05)


@pytest.mark.equation("1.11")
def test_the_linear_model_has_the_covariance_of_its_samples():
    torch.manual_seed(0)
    data = torch.randn(3_000, 6, dtype=torch.float64) @ torch.randn(6, 6, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(torch.cov(data.T, correction=0))
    (linear_model,) = from_notebook("01", "linear_model")
    W, s = (part.requires_grad_() for part in linear_model(values, vectors, 2))
    model = MultivariateNormal(torch.zeros(6).double(), W @ W.T + s**2 * torch.eye(6))
    gradients = torch.autograd.grad(model.log_prob(data - data.mean(0)).mean(), (W, s))
    assert all(g.abs().max() < 1e-6 for g in gradients), "a stationary point of the likelihood"
    best = model.log_prob(data - data.mean(0)).mean()
    for chosen in itertools.combinations(range(6), 2):  # the leading pair is (4, 5)
        rest = [k for k in range(6) if k not in chosen]
        part = vectors[:, chosen] * (values[list(chosen)] - values[rest].mean()).clamp_min(0).sqrt()
        covariance = part @ part.T + values[rest].mean() * torch.eye(6)
        other = MultivariateNormal(torch.zeros(6).double(), covariance)
        assert chosen == (4, 5) or other.log_prob(data - data.mean(0)).mean() < best
    with torch.no_grad():
        x = torch.randn(200_000, 2).double() @ W.T + s * torch.randn(200_000, 6).double()
    distance = torch.cov(x.T) - model.covariance_matrix
    assert distance.abs().max() < 0.02 * values[-1], "and the density of what it draws"


@pytest.mark.equation("1.12")
def test_the_normaliser_of_a_gaussian_in_the_plane():
    (log_normaliser,) = from_notebook("01", "log_normaliser")
    log_z = log_normaliser(-0.5 * PLANE.square().sum(-1), STEP**2)
    assert log_z.item() == pytest.approx(math.log(2 * math.pi), abs=1e-6)


@pytest.mark.equation("1.12")
def test_the_gradient_of_the_energy_loss_is_that_of_minus_the_log_likelihood():
    """By quadrature and autograd through log Z; exact samples of a density in three pieces."""
    (log_normaliser,) = from_notebook("01", "log_normaliser")
    grid = torch.arange(-6, 6, 0.01, dtype=torch.float64)
    theta = torch.tensor([0.7, -0.2, 0.4], dtype=torch.float64, requires_grad=True)

    def f(x):
        return theta @ torch.stack([x, x.square(), x.sin()]) - x**4 / 8

    data = torch.tensor([-1.0, 0.3, 2.0], dtype=torch.float64)
    likelihood = f(data).mean() - log_normaliser(f(grid), 0.01)
    (exact,) = torch.autograd.grad(-likelihood, theta)
    with lab.seeded(0):
        index = torch.multinomial(f(grid).detach().softmax(0), 400_000, replacement=True)
    loss = EXERCISES["energy_loss"].answer(f(data), f(grid[index]))
    (estimated,) = torch.autograd.grad(loss, theta)
    assert torch.allclose(exact, estimated, atol=0.01)


@pytest.mark.equation("1.11")
def test_the_posterior_of_the_linear_model_has_the_kl_that_samples_give():
    """KL = E_q[log p(x given z)] - log p(x), with z from the posterior."""
    (posterior_kl,) = from_notebook("01", "posterior_kl")
    W, s = torch.randn(5, 2).double(), torch.tensor(0.6).double()
    mean, x = torch.randn(5).double(), torch.randn(1, 5).double()
    precision = torch.eye(2) + W.T @ W / s**2
    q = MultivariateNormal((x - mean) @ W @ precision.inverse() / s**2, precision.inverse())
    with lab.seeded(0):
        z = q.sample((200_000,))[:, 0]
    likelihood = Normal(mean + z @ W.T, s).log_prob(x).sum(-1).mean()
    evidence = MultivariateNormal(mean, W @ W.T + s**2 * torch.eye(5)).log_prob(x)
    assert posterior_kl(x, mean, W, s) == pytest.approx((likelihood - evidence).item(), abs=0.05)


@pytest.mark.equation("1.13")
def test_langevin_dynamics_ends_in_the_density():
    """A Gaussian of variance 2 has the gradient -x / 2; small steps leave a small bias."""
    step = EXERCISES["langevin_step"].answer
    with lab.seeded(0):
        x = torch.zeros(40_000)
        for _ in range(800):
            x = step(x, -(x - 1) / 2, 0.01, torch.randn_like(x))
    assert x.mean().item() == pytest.approx(1, abs=0.05)
    assert x.var().item() == pytest.approx(2, abs=0.08)


@pytest.mark.equation("1.14")
def test_bits_per_dimension_are_the_length_of_a_code():
    """Of 784 independent pixels, each 1 with probability 1/8 or 1/2: 3 bits or 1."""
    log_p = Bernoulli(torch.tensor([1 / 8] * 392 + [1 / 2] * 392)).log_prob(torch.ones(784)).sum()
    assert EXERCISES["bits_per_dimension"].answer(log_p).item() == pytest.approx(2)


def of_coins(weights, theta):
    """The mixture with these weights (K,) and these probabilities of the pixels (K, d)."""
    return lab.BernoulliMixture(Categorical(weights), Independent(Bernoulli(theta), 1))


@pytest.mark.equation("1.15")
def test_the_mixture_sums_to_one_over_all_images_and_draws_what_it_says():
    mixture = of_coins(torch.tensor([0.3, 0.7]), torch.randn(2, 5).sigmoid())
    images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 5)
    probability = mixture.log_prob(images).exp()
    assert probability.sum().item() == pytest.approx(1, abs=1e-5)
    with lab.seeded(0):
        samples = mixture.sample((200_000,))
    index = (samples @ torch.tensor([16.0, 8, 4, 2, 1])).long()
    frequency = torch.bincount(index, minlength=32) / len(samples)
    assert torch.allclose(frequency, probability, atol=0.005)


@pytest.mark.equation("1.15", "1.16")
def test_every_step_of_em_raises_the_likelihood():
    x = of_coins(torch.tensor([0.5, 0.5]), (2 * torch.randn(2, 6)).sigmoid()).sample((400,))
    fits = [fit_by_em(x, 2, steps=k, alpha=1e-6) for k in range(1, 16)]
    values = [mixture.log_prob(x).mean().item() for mixture in fits]
    assert all(after > before - 1e-6 for before, after in itertools.pairwise(values))
    assert values[-1] > values[0] + 0.02
    alone = x.mean(0)  # the best of one component
    assert values[-1] > Bernoulli(alone).log_prob(x).sum(-1).mean() + 0.1


@pytest.mark.equation("1.16")
def test_the_m_step_of_bernoullis_maximises_the_likelihood_of_real_and_imagined_pixels():
    x = torch.rand(400, 6).round().double()
    old, new = (fit_by_em(x, 2, steps=steps, alpha=7.0) for steps in (3, 4))
    r = old.mixture_distribution.logits + old.component_distribution.log_prob(x[:, None])
    r = r.softmax(-1)
    theta = new.component_distribution.mean.requires_grad_()
    of_pixels = (
        r.T @ x @ theta.log().T + r.T @ (1 - x) @ (1 - theta).log().T
    )  # (C, C): its diagonal
    value = of_pixels.diagonal().sum() + 7 * (theta * (1 - theta)).log().sum()
    (gradient,) = torch.autograd.grad(value, theta)
    assert gradient.abs().max() < 1e-8, "the objective is concave: this is its maximum"
    assert torch.allclose(new.mixture_distribution.probs, r.mean(0))
    assert (r.mean(0) - 0.5).abs().max() > 1e-3, "weights that say something"


@pytest.mark.equation("1.15", "1.16")
def test_em_is_that_of_weights_and_probabilities_one_image_at_a_time():
    """By Bayes' rule and counts, with the pixels' probabilities in place of their logits."""
    x = (torch.rand(60, 20) < 0.5 * torch.rand(5, 20).round().repeat(12, 1)).double()
    start, end = (fit_by_em(x, 4, steps=steps, alpha=0.1) for steps in (1, 6))
    weights, theta = start.mixture_distribution.probs, start.component_distribution.mean
    for _ in range(5):
        total, black = torch.zeros(4).double(), torch.zeros(4, 20).double()
        for image in x:
            r = weights * torch.where(image == 1, theta, 1 - theta).prod(-1)
            total += r / r.sum()
            black += (r / r.sum())[:, None] * image
        weights, theta = total / 60, (black + 0.1) / (total[:, None] + 0.2)
    assert torch.allclose(end.mixture_distribution.probs, weights)
    assert torch.allclose(end.component_distribution.mean, theta)
    ours = sum(
        w * torch.where(x == 1, t, 1 - t).prod(-1) for w, t in zip(weights, theta, strict=True)
    )
    assert torch.allclose(end.log_prob(x), ours.log())
    assert not torch.allclose(end.log_prob(x), start.log_prob(x), rtol=1e-3)


@pytest.mark.equation("1.16")
def test_the_m_step_is_that_of_the_mixture():
    x = torch.rand(80, 7).round().double()
    old, new = (fit_by_em(x, 3, steps=steps, alpha=0.3) for steps in (2, 3))
    theta = EXERCISES["m_step"].answer(x, old.responsibilities(x), 0.3)
    assert torch.allclose(theta, new.component_distribution.mean)


@pytest.mark.equation("1.17")
def test_bound_plus_kl_is_the_log_likelihood_for_any_weights():
    log_joint, lower_bound = from_notebook("01", "log_joint", "lower_bound")
    x, theta = torch.rand(6, 5).round().double(), torch.rand(3, 5).double()
    weights = torch.rand(3).double().softmax(-1)
    exact = of_coins(weights, theta).log_prob(x)
    joint = log_joint(x, weights, theta)
    posterior = Categorical(logits=joint)
    for r in torch.randn(4, 6, 3).double().softmax(-1):
        kl = distributions.kl_divergence(Categorical(r), posterior)
        assert torch.allclose(lower_bound(joint, r) + kl, exact)
        assert (lower_bound(joint, r) < exact).all()
    assert torch.allclose(lower_bound(joint, posterior.probs), exact)


@pytest.mark.equation("1.18")
def test_the_belief_network_is_a_product_of_logistic_regressions_and_sums_to_one():
    weight, offset = torch.randn(6, 6).double(), torch.randn(6).double()
    images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 6)
    logits = EXERCISES["belief_logits"].answer(images, weight, offset)
    network = BeliefNetwork(torch.full((6,), 0.5)).double()
    network.load_state_dict({"weight": weight, "offset": offset})
    product = torch.ones(64).double()
    for d in range(6):
        on = (offset[d] + sum(weight[d, j] * images[:, j] for j in range(d))).sigmoid()
        assert torch.allclose(logits[:, d].sigmoid(), on)
        product *= torch.where(images[:, d] == 1, on, 1 - on)
    assert product.sum().item() == pytest.approx(1)
    assert torch.allclose(network.log_prob(images), product.log())
