"""Every numbered equation, by another route, and none without a function and a test.

The functions of labutils and of the notebooks are compared with quadrature, enumeration,
finite differences, sampling or torch.distributions.
"""

from labutils import (
    AutoEncoder,
    BernoulliVAE,
    Classifier,
    GaussianVAE,
    elbo,
    fit_mixture,
    frechet_distance,
    importance_bound,
    kl_bernoulli,
    kl_diagonal_gaussian,
    precision_recall,
    seeded,
    standard_error,
)
from labutils.estimators import (
    disarm,
    gumbel_softmax,
    leave_one_out,
    score_function,
    straight_through,
)
from labutils.exercises import EXERCISES
from labutils.objectives import exact_elbo, exact_log_likelihood

import ast
import itertools
import math
import re
from pathlib import Path

import pytest
import torch
from torch import distributions
from torch.distributions import Bernoulli, Categorical, MultivariateNormal, Normal
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
SOURCES = [*NOTEBOOKS, *sorted((ROOT / "labutils").glob("*.py"))]
STEP = 0.05
TICKS = torch.arange(-6, 6, STEP, dtype=torch.float64) + STEP / 2
PLANE = torch.cartesian_prod(TICKS, TICKS)


def numbers_in_docstrings():
    """The equations that functions and classes of labutils and the notebooks say they implement."""
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found |= set(re.findall(r"Eq\. (\d+\.\d+)", ast.get_docstring(node) or ""))
    return found


def from_notebook(number, *names, **given):
    """Functions of a notebook by their names, as it defines them; `given` are names they use."""
    (path,) = [path for path in NOTEBOOKS if path.name.startswith(number)]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [
        node for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        or (isinstance(node, ast.FunctionDef) and node.name in names)
    ]  # fmt: skip
    namespace = dict(given)
    exec(compile(tree, path.name, "exec"), namespace)
    return [namespace[name] for name in names]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_displayed_equation_has_a_number_in_order(path):
    text = path.read_text(encoding="utf-8")
    displayed = re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL)
    tags = [re.findall(r"\\tag\{([\d.]+)\}", each) for each in displayed]
    chapter = int(path.name[:2])
    assert tags == [[f"{chapter}.{k}"] for k in range(1, len(displayed) + 1)]
    assert displayed


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_equation_has_a_function_that_names_it_and_a_test(path):
    tags = re.findall(r"\\tag\{([\d.]+)\}", path.read_text(encoding="utf-8"))
    tested = {
        f"{chapter}.{number}"
        for name in globals() if name.startswith("test_eq_")
        for chapter, number in re.findall(r"(\d+)_(\d+)", name)
    }  # fmt: skip
    assert not set(tags) - numbers_in_docstrings(), "no docstring names them"
    assert not set(tags) - tested, "no test is named after them"


def test_no_docstring_names_an_equation_that_is_not_there():
    text = "".join(path.read_text(encoding="utf-8") for path in NOTEBOOKS)
    assert not numbers_in_docstrings() - set(re.findall(r"\\tag\{([\d.]+)\}", text))


def test_eq_1_1_and_1_3_gradient_ascent_and_closed_form_find_the_same_maximum():
    reference = EXERCISES["gaussian_log_density"].reference
    ascend, closed_form = from_notebook(
        "01", "ascend", "closed_form", gaussian_log_density=reference
    )
    x = torch.tensor([1.0, 2.0, 4.0, 9.0])
    best = torch.stack(closed_form(x))
    assert torch.allclose(ascend(x, 2.0, 3.0)[-1], best, atol=1e-3)
    around = best + 0.05 * torch.randn(50, 2)
    values = torch.stack([reference(x, *theta).mean() for theta in around])
    assert (values < reference(x, *best).mean()).all(), "no other value is higher"


def test_eq_1_2_the_gaussian_log_density_is_that_of_torch():
    x, mean, log_var = torch.randn(9), torch.tensor(0.4), torch.tensor(-1.3)
    ours = EXERCISES["gaussian_log_density"].reference(x, mean, log_var)
    assert torch.allclose(ours, Normal(mean, (log_var / 2).exp()).log_prob(x), atol=1e-6)


def test_eq_1_4_the_expected_log_likelihood_is_minus_entropy_minus_kl():
    """With torch's closed forms for entropy and KL, and samples for the expectation."""
    (divergence,) = from_notebook("01", "divergence", grid_step=0.01)
    x = torch.arange(-12, 12, 0.01, dtype=torch.float64)
    data, model = Normal(0.5, 0.8), Normal(-0.3, 1.7)
    kl = divergence(data.log_prob(x), model.log_prob(x))
    assert torch.isclose(kl.float(), distributions.kl_divergence(data, model), atol=1e-5)
    with seeded(0):
        terms = model.log_prob(data.sample((100_000,)))
    error = terms.std() / math.sqrt(len(terms))
    assert abs(terms.mean() + data.entropy() + kl) < 5 * error


def test_eq_1_5_and_1_6_bayes_rule_gives_the_class_frequencies_at_a_point():
    """Points are drawn from the joint; near one place, the classes occur as the rule says."""
    (fit_gaussians,) = from_notebook("01", "fit_gaussians")
    with seeded(0):
        y = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), 400_000, replacement=True)
        x = torch.tensor([[0.0, 0.0], [1.5, 0.0], [0.0, 2.0]])[y] + torch.randn(400_000, 2)
    density, log_prior = fit_gaussians(x, y)
    assert torch.allclose(density.mean[1], torch.tensor([1.5, 0.0]), atol=0.02)
    assert torch.allclose(density.covariance_matrix, torch.eye(2), atol=0.03)
    place = torch.tensor([0.6, 0.7])
    near = (x - place).norm(dim=-1) < 0.2
    frequency = torch.bincount(y[near], minlength=3) / near.sum()
    log_posterior = EXERCISES["bayes_rule"].reference(density.log_prob(place), log_prior)
    assert torch.allclose(log_posterior.exp(), frequency, atol=0.02)


def test_eq_1_7_the_change_of_variables_is_torchs_log_normal():
    z = torch.randn(20, dtype=torch.float64)
    log_p = EXERCISES["change_of_variables"].reference(Normal(0.0, 1.0).log_prob(z), z.exp())
    assert torch.allclose(log_p, distributions.LogNormal(0.0, 1.0).log_prob(z.exp()))


def test_eq_1_8_both_roots_count_in_a_histogram():
    (squared_density,) = from_notebook(
        "01", "squared_density", change_of_variables=EXERCISES["change_of_variables"].reference
    )
    with seeded(0):
        x = torch.randn(500_000).square()
    edges = torch.linspace(0.5, 3, 26)
    observed = torch.histogram(x, edges).hist / len(x) / 0.1
    middle = squared_density((edges[1:] + edges[:-1]) / 2)
    assert torch.allclose(observed, middle, atol=0.01)


def test_eq_1_9_and_1_10_a_linear_mixture_is_the_gaussian_that_it_must_be():
    nodes = torch.arange(-8, 8, 0.01, dtype=torch.float64)
    log_weight = Normal(0.0, 1.0).log_prob(nodes) + math.log(0.01)
    log_density, marginal = from_notebook(
        "01", "log_density", "marginal", nodes=nodes, log_weight=log_weight
    )
    x = torch.linspace(-3, 3, 11, dtype=torch.float64)
    exact = Normal(0.3, math.sqrt(4 + 0.25)).log_prob(x)
    assert torch.allclose(log_density(x, lambda z: 0.3 + 2 * z, 0.5), exact, atol=1e-6)
    with seeded(0):
        z = torch.randn(200_000, 1, dtype=torch.float64)
    assert torch.allclose(marginal(Normal(0.3 + 2 * z, 0.5).log_prob(x)), exact, atol=0.05)


def test_eq_1_11_the_linear_model_has_the_covariance_of_its_samples():
    torch.manual_seed(0)
    data = torch.randn(3_000, 6, dtype=torch.float64) @ torch.randn(6, 6, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(torch.cov(data.T, correction=0))
    (linear_model,) = from_notebook("01", "linear_model", values=values, vectors=vectors)
    W, s = (part.requires_grad_() for part in linear_model(2))
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


def test_eq_1_12_the_normaliser_of_a_gaussian_in_the_plane():
    (log_normaliser,) = from_notebook("01", "log_normaliser")
    log_z = log_normaliser(-0.5 * PLANE.square().sum(-1), STEP**2)
    assert log_z.item() == pytest.approx(math.log(2 * math.pi), abs=1e-6)


def test_eq_1_13_langevin_dynamics_ends_in_the_density():
    """A Gaussian of variance 2 has the gradient -x / 2; small steps leave a small bias."""
    step = EXERCISES["langevin_step"].reference
    with seeded(0):
        x = torch.zeros(40_000)
        for _ in range(800):
            x = step(x, -(x - 1) / 2, 0.01, torch.randn_like(x))
    assert x.mean().item() == pytest.approx(1, abs=0.05)
    assert x.var().item() == pytest.approx(2, abs=0.08)


def test_eq_1_14_bits_per_dimension_are_the_length_of_a_code():
    """Of 784 independent pixels, each 1 with probability 1/8 or 1/2: 3 bits or 1."""
    log_p = Bernoulli(torch.tensor([1 / 8] * 392 + [1 / 2] * 392)).log_prob(torch.ones(784)).sum()
    assert EXERCISES["bits_per_dimension"].reference(log_p).item() == pytest.approx(2)


def mixture_functions():
    return from_notebook(
        "01", "log_p", "m_step", "draw", "log_components",
        bayes_rule=EXERCISES["bayes_rule"].reference,
    )  # fmt: skip


def test_eq_1_15_the_mixture_sums_to_one_over_all_images_and_draws_what_it_says():
    log_p, _, draw, log_components = mixture_functions()
    log_p.__globals__["log_components"] = log_components
    mixture = torch.tensor([0.3, 0.7]).log(), torch.randn(2, 5)
    images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 5)
    assert log_p(images, mixture).exp().sum().item() == pytest.approx(1, abs=1e-5)
    with seeded(0):
        samples = draw(mixture, 200_000)
    index = (samples @ torch.tensor([16.0, 8, 4, 2, 1])).long()
    frequency = torch.bincount(index, minlength=32) / len(samples)
    assert torch.allclose(frequency, log_p(images, mixture).exp(), atol=0.005)


def test_eq_1_16_every_step_of_em_raises_the_likelihood():
    log_p, m_step, draw, log_components = mixture_functions()
    log_weight, logits = torch.tensor([0.5, 0.5]).log(), 2 * torch.randn(2, 6)
    x = draw((log_weight, logits), 400)
    mixture, values = (log_weight, 0.1 * torch.randn(2, 6)), []
    for _ in range(15):
        values.append(log_p(x, mixture).mean().item())
        joint = log_components(x, mixture[1]) + mixture[0]
        mixture = m_step(x, joint.softmax(-1), alpha=1e-6)
    assert all(after > before - 1e-6 for before, after in itertools.pairwise(values))
    assert values[-1] > values[0] + 0.1


def test_eq_1_16_maximises_the_weighted_likelihood_of_real_and_imagined_pixels():
    _, m_step, *_ = mixture_functions()
    x, r = torch.rand(400, 6).round().double(), torch.rand(400, 2).double().softmax(-1)
    log_weight, logits = m_step(x, r, alpha=7.0)
    theta = logits.sigmoid().requires_grad_()
    of_pixels = (
        r.T @ x @ theta.log().T + r.T @ (1 - x) @ (1 - theta).log().T
    )  # (C, C): its diagonal
    value = of_pixels.diagonal().sum() + 7 * (theta * (1 - theta)).log().sum()
    (gradient,) = torch.autograd.grad(value, theta)
    assert gradient.abs().max() < 1e-8, "the objective is concave: this is its maximum"
    assert torch.allclose(log_weight.exp(), r.mean(0))


def test_eq_1_16_notebook_05_fits_the_mixture_of_notebook_01():
    names = "log_components", "m_step", "fit_mixture", "log_p"
    given = {"bayes_rule": EXERCISES["bayes_rule"].reference, "seed": 0}
    *_, fit_01, log_p = from_notebook("01", *names, seeded=seeded, **given)
    given = {"responsibilities": EXERCISES["responsibilities"].reference, "seed": 0}
    log_templates, fit_05 = from_notebook(
        "05", "log_templates", "fit_templates", seeded=seeded, **given
    )
    x = (torch.rand(200, 784) < 0.5 * torch.rand(5, 784).round().repeat(40, 1)).float()
    log_weight, theta = fit_05(x, 4)
    ours = (log_weight + log_templates(x, theta)).logsumexp(-1)
    assert torch.allclose(ours, log_p(x, fit_01(x, 4)), rtol=1e-4)
    assert not torch.allclose(ours, log_p(x, fit_01(x, 1)), rtol=1e-3)


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
        mask = (torch.rand(5, 7) >= 0.25).float()
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


def test_eq_2_6_the_calibration_error_of_a_model_that_says_too_much():
    """By its definition, digit by digit; and a model, 0.95 sure, that is right half the time."""
    calibration_error, _ = from_notebook("02", "calibration_error", "reliability")
    assert calibration_error(torch.full((100,), 0.95), torch.arange(100) % 2 == 0) == (
        pytest.approx(0.45)
    )
    with seeded(0):
        confidence, right = torch.rand(500), torch.rand(500) < 0.6
    by_hand = 0.0
    for low in range(10):
        mine = [i for i in range(500) if low <= 10 * confidence[i].item() < low + 1]
        if mine:
            hits = sum(bool(right[i]) for i in mine) / len(mine)
            said = sum(confidence[i].item() for i in mine) / len(mine)
            by_hand += len(mine) / 500 * abs(hits - said)
    assert calibration_error(confidence, right) == pytest.approx(by_hand, abs=1e-6)


def test_eq_3_1_the_evidence_is_the_mean_of_the_likelihood_over_the_prior():
    model, x = tiny_vae(), images()
    (log_evidence,) = from_notebook("03", "log_evidence", step=STEP)
    with torch.no_grad(), seeded(0):
        likelihood = model.likelihood(model.prior.sample((10_000, 1))).log_prob(x)
        exact = log_evidence(log_joint(model, x))
    estimate = likelihood.logsumexp(0) - math.log(len(likelihood))
    weights = likelihood.softmax(0)
    error = (weights - 1 / len(weights)).square().sum(0).sqrt()  # relative, of the mean
    assert ((estimate - exact).abs() < 5 * error).all()


def test_eq_3_4_jensens_bound_is_the_expected_log_weight():
    """log p(x, z) - log q(z) averaged over z from q: below log p(x), and elbo()'s other form."""
    model, x = tiny_vae(), images()
    with torch.no_grad(), seeded(0):
        q = model.posterior(x)
        z = q.sample((2_000,))
        joint = model.likelihood(z).log_prob(x) + model.prior.log_prob(z)
        weight = joint - q.log_prob(z)
        log_p = log_joint(model, x).logsumexp(0) + 2 * math.log(STEP)
        other = elbo(model, x, 2_000)
    error = weight.std(0) / math.sqrt(2_000)
    assert (weight.mean(0) + 5 * error < log_p).all()
    assert ((weight.mean(0) - other).abs() < 7 * error).all()


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
    gap_to_posterior, log_evidence = from_notebook(
        "03", "gap_to_posterior", "log_evidence", step=STEP
    )
    with torch.no_grad(), seeded(0):
        joint = log_joint(model, x)
        log_p = log_evidence(joint)
        log_q = model.posterior(x).log_prob(PLANE[:, None])
        gap = gap_to_posterior(log_q, joint)
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
    (score,) = from_notebook("03", "score")
    estimate = z**3 * score(z, mean, sigma)
    exact = 3 * mean**2 + 3 * sigma**2
    assert abs(estimate.mean() - exact) < 5 * estimate.std() / math.sqrt(400_000)


def test_eq_3_11_the_importance_bound_rises_from_the_elbo_to_log_p():
    model, x = tiny_vae(), images()
    with torch.no_grad(), seeded(0):
        log_p = log_joint(model, x).logsumexp(0) + 2 * math.log(STEP)
        bounds = [
            torch.stack([importance_bound(model, x, k) for _ in range(repeats)]).mean(0)
            for k, repeats in ((1, 200), (10, 200), (1000, 50))
        ]
    assert (bounds[0] < bounds[1]).all() and (bounds[1] < bounds[2]).all()
    assert torch.allclose(bounds[2], log_p, atol=0.1)


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


def test_eq_3_12_the_integral_of_cross_entropy_over_grey_values():
    (grey_integral,) = from_notebook("03", "grey_integral")
    theta = torch.tensor([0.1, 0.45, 0.7], dtype=torch.float64)
    grey = (torch.arange(5_000, dtype=torch.float64)[:, None] + 0.5) / 5_000
    integral = (-F.binary_cross_entropy(theta.expand(5_000, 3), grey.expand(5_000, 3),
                                        reduction="none")).exp().mean(0)  # fmt: skip
    assert torch.allclose(grey_integral(theta), integral, rtol=1e-6)
    constant = distributions.ContinuousBernoulli(theta)._cont_bern_log_norm()
    assert torch.allclose(grey_integral(theta), (-constant).exp(), rtol=1e-6)


@pytest.mark.parametrize("beta", [0.1, 1, 30])
def test_eq_3_14_beta_weighs_the_kl(beta):
    """The loss that notebook 03 hands to fit(), against the two terms by quadrature."""
    losses = []
    (beta_model,) = from_notebook(
        "03", "beta_model", seed=0, latent_dim=2, small=None,
        digits=type("Digits", (), {"source": "bundled"}),
        train=lambda name, model, *, data, loss, epochs: losses.append(loss),
    )  # fmt: skip
    beta_model(beta)
    model, x = tiny_vae(), images()
    with torch.no_grad(), seeded(0):
        log_q = model.posterior(x).log_prob(PLANE[:, None])
        weight = log_q.exp() * STEP**2
        log_prior = model.prior.log_prob(PLANE)[:, None]
        expected = (weight * (log_joint(model, x) - log_prior)).sum(0)
        kl = (weight * (log_q - log_prior)).sum(0)
        draws = torch.stack([losses[0](model, x, None) for _ in range(500)])
    error = draws.std() / math.sqrt(500)
    assert abs(draws.mean() + (expected - beta * kl).mean()) < 5 * error


def test_eq_5_1_the_loss_is_the_mean_bernoulli_log_likelihood_over_binarisations():
    (loss,) = from_notebook("05", "loss")
    torch.manual_seed(0)
    model, grey = AutoEncoder(2, 8), torch.rand(4, 784)
    logits = model.decoder(model.encode(grey)).detach()
    with seeded(0):
        draws = torch.bernoulli(grey.expand(2_000, -1, -1))
    terms = -Bernoulli(logits=logits).log_prob(draws).sum(-1).mean(-1)
    error = terms.std() / math.sqrt(len(terms))
    assert abs(loss(model, grey, None).detach() - terms.mean()) < 5 * error


def codes_in_the_plane(count=3_000):
    """Two clouds of codes, one of them stretched."""
    with seeded(0):
        codes = torch.randn(count, 2, dtype=torch.float64)
    codes[: count // 3] = codes[: count // 3] * torch.tensor([0.3, 1.0]) - 1.5
    return codes


def test_eq_5_2_the_mixture_integrates_to_one_and_is_the_weighted_sum():
    mixture = fit_mixture(codes_in_the_plane(), 3)
    density = mixture.log_prob(PLANE).exp()
    assert torch.isclose(density.sum() * STEP**2, torch.ones(()).double(), atol=1e-4)
    parts = mixture.component_distribution
    by_hand = sum(
        weight * MultivariateNormal(mean, covariance).log_prob(PLANE).exp()
        for weight, mean, covariance in zip(
            mixture.mixture_distribution.probs, parts.mean, parts.covariance_matrix, strict=True
        )
    )
    assert torch.allclose(density, by_hand)


def test_eq_5_3_responsibilities_are_the_frequencies_of_the_components_at_a_place():
    weights, means = torch.tensor([0.6, 0.3, 0.1]), torch.tensor([-1.0, 0.5, 2.0])
    with seeded(0):
        component = torch.multinomial(weights, 500_000, replacement=True)
        z = means[component] + torch.randn(500_000)
    near = (z - 0.4).abs() < 0.02
    frequency = torch.bincount(component[near], minlength=3) / near.sum()
    log_density = Normal(means, 1.0).log_prob(torch.tensor([[0.4]]))
    r = EXERCISES["responsibilities"].reference(weights.log(), log_density)[0]
    assert torch.allclose(r, frequency, atol=0.015)


def test_eq_5_4_the_m_step_maximises_and_em_never_lowers_the_likelihood():
    responsibilities = EXERCISES["responsibilities"].reference
    (em_step,) = from_notebook("05", "em_step", responsibilities=responsibilities)
    z = codes_in_the_plane()
    old = torch.tensor([0.5, 0.5]).double(), z[[5, -5]], torch.eye(2).double().repeat(2, 1, 1)
    log_density = MultivariateNormal(*old[1:]).log_prob(z[:, None])
    r = responsibilities(old[0].log(), log_density)

    def expected(weights, means, covariances):
        return (
            r * (weights.log() + MultivariateNormal(means, covariances).log_prob(z[:, None]))
        ).sum()

    *new, before = em_step(z, *old)
    free = [new[0].log(), new[1], torch.linalg.cholesky(new[2])]  # no constraint but these
    for parameter in free:
        parameter.requires_grad_()
    log_weight, means, root = free
    value = expected(log_weight.softmax(0), means, root @ root.mT)
    gradients = torch.autograd.grad(value, free)
    assert all(gradient.abs().max() < 1e-6 * len(z) for gradient in gradients), "a stationary point"
    assert value > expected(*old)
    assert em_step(z, *new)[-1] > before


def test_eq_5_5_the_bic_is_that_of_scikit_learn():
    from sklearn.mixture import GaussianMixture

    z = codes_in_the_plane().numpy()
    em = GaussianMixture(3, random_state=0).fit(z)
    ours = EXERCISES["bic"].reference(em.score(z) * len(z), 3, 2, len(z))
    assert abs(ours - em.bic(z)) < 1e-6 * abs(ours)


def test_eq_5_6_codes_of_the_aggregate_posterior_have_its_mean_and_covariance():
    """By the laws of total expectation and variance."""
    (aggregate_codes,) = from_notebook("05", "aggregate_codes")
    model, x = tiny_vae(), images()
    with torch.no_grad(), seeded(0):
        z = aggregate_codes(model, x.repeat(20_000, 1))
        q = model.posterior(x)
    assert z.shape == (60_000, 2)
    assert torch.allclose(z.mean(0), q.mean.mean(0), atol=0.02)
    covariance = q.variance.mean(0).diag() + q.mean.T.cov(correction=0)
    assert torch.allclose(z.T.cov(), covariance, atol=0.03)


def test_eq_5_7_another_prior_gains_what_it_is_closer_to_the_aggregate_posterior():
    aggregate_codes, prior_gain = from_notebook("05", "aggregate_codes", "prior_gain")
    model, x = tiny_vae(), images()
    with torch.no_grad(), seeded(0):
        z = aggregate_codes(model, x.repeat(10_000, 1))
        mixture = fit_mixture(z[:3_000], 3)
        terms = prior_gain(model.prior, mixture, z)
        log_q = model.posterior(x).log_prob(PLANE[:, None])
    log_p, log_m = model.prior.log_prob(PLANE), mixture.log_prob(PLANE)
    aggregate = log_q.exp().mean(1)
    kl_p, kl_m = (
        (aggregate * (aggregate.log() - other)).sum() * STEP**2 for other in (log_p, log_m)
    )
    of_elbo = (log_q.exp() * (log_m - log_p)[:, None]).sum(0).mean() * STEP**2
    error = terms.std() / math.sqrt(len(terms))
    assert abs(terms.mean() - (kl_p - kl_m)) < 5 * error
    assert torch.isclose(of_elbo, kl_p - kl_m)
    assert kl_p - kl_m < kl_p


def test_eq_5_8_the_frechet_distance_is_the_cost_of_moving_one_gaussian_onto_the_other():
    """In one dimension the cheapest way moves quantile to quantile."""
    level = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    a, b = Normal(0.3, 0.8).icdf(level), Normal(-0.5, 1.7).icdf(level)
    moved = (a - b).square().mean().item()
    with seeded(0):
        order = torch.randperm(len(b))
    ours = frechet_distance(a[:, None], b[order, None])
    assert abs(ours - moved) < 1e-3
    zero = torch.zeros(1)
    diagonal = EXERCISES["frechet_diagonal"].reference(
        zero + 0.3, zero + 0.8, zero - 0.5, zero + 1.7
    )
    assert abs(diagonal.item() - (0.8**2 + 0.9**2)) < 1e-6 and abs(ours - diagonal) < 5e-3


def test_eq_5_9_precision_counts_the_samples_in_a_ball_one_by_one():
    with seeded(0):
        samples, reference = 3 * torch.randn(40, 2), torch.randn(30, 2)
    radii = [sorted((y - other).norm() for other in reference)[3] for y in reference]
    inside = [
        any((x - y).norm() <= r for y, r in zip(reference, radii, strict=True)) for x in samples
    ]
    by_hand = sum(inside) / len(samples)
    assert 0.2 < by_hand < 0.95
    assert abs(precision_recall(samples, reference)[0] - by_hand) < 1e-6
    ours = EXERCISES["precision"].reference(torch.cdist(samples, reference), torch.stack(radii))
    assert abs(ours - by_hand) < 1e-6


def test_eq_5_10_the_jackknife_error_is_the_spread_over_new_data():
    def fresh():
        return torch.randn(200, 3), 1.3 * torch.randn(200, 3) + 0.5

    with seeded(0):
        spread = torch.tensor([frechet_distance(*fresh()) for _ in range(400)]).std()
        errors = [standard_error(frechet_distance, *fresh(), rounds=20, seed=k) for k in range(30)]
    assert abs(sum(errors) / len(errors) / spread - 1) < 0.15


def test_eq_5_11_no_noise_makes_the_density_larger_than_the_bound():
    """For a curve in the plane, with the integral over its one code by quadrature."""
    (bound,) = from_notebook("05", "log_density_bound")
    z = torch.arange(-6, 6, 0.0005, dtype=torch.float64)
    curve = torch.stack([z, z.sin()], -1)
    x = torch.tensor([0.4, 1.1], dtype=torch.float64)
    distance = (curve - x).norm(dim=1).min()
    for s in (1.0, 0.3, 0.1, 0.03):
        log_pixels = Normal(curve, s).log_prob(x).sum(-1)
        log_p = (Normal(0.0, 1.0).log_prob(z) + log_pixels).logsumexp(0) + math.log(0.0005)
        assert log_p <= bound(distance, s, pixels=2)
    assert log_p < -100, "off the curve, little noise leaves no density"
