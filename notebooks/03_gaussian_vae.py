# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03 The VAE with Gaussian latents
#
# A variational autoencoder is a density model of images that can be sampled in one step. Here we derive its objective
# twice, check it in numbers against the exact likelihood, and measure the result in nats.
#
# **After this notebook you will be able to**
#
# - state the generative process and the inference network of a VAE, and tell the two apart;
# - derive the evidence lower bound (ELBO) by Jensen's inequality and from an identity, and verify that identity;
# - compute the KL term, the reparameterised sample and the minibatch estimate, and name the usual mistakes;
# - read a VAE in nats: rate, distortion, active units, importance-weighted bound;
# - explain blur and posterior collapse.
#
# **Time needed:** about 2 hours, with four exercises. The cells run in about 65 seconds on two cores.

# %%
import labutils as lab  # fails? python tools/doctor.py

import math
from dataclasses import replace
from functools import partial

import torch
from matplotlib import pyplot as plt
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

lab.figures.use_style()
seed = 0
digits = lab.load()
print("torch ", torch.__version__)
print("device", torch.accelerator.current_accelerator(check_available=True) or "cpu")
print("data  ", digits)
print("seed  ", seed)

# %% [markdown]
# ## 1 From the autoencoder to the VAE
#
# An **autoencoder** squeezes an image $x$ through a bottleneck: an encoder maps it to a code $z$ of few numbers, a
# decoder maps the code back to an image. It is trained to reconstruct. Nothing in that training says which codes
# belong to digits, so that decoding a code chosen at random gives nothing in particular.

# %%
lab.figures.show(lab.diagrams.autoencoder())

# %% [markdown]
# A **variational autoencoder** (Kingma and Welling, 2014; Rezende et al., 2014) starts from the other end. It is a
# probabilistic model of how images come about, and the encoder appears because that model is hard to fit. Its
# encoder returns a distribution over codes; its decoder returns a distribution over images.

# %%
lab.figures.show(lab.diagrams.vae())

# %% [markdown]
# The picture names the two terms of the objective that this notebook derives. We go through it from right to left.

# %% [markdown]
# ## 2 The generative process
#
# First draw a latent vector $z \in \mathbb{R}^m$, then an image given $z$. The image is then a **continuous mixture**:
#
# $$z \sim p(z) = \mathcal{N}(0, I), \qquad p_\theta(x) = \int p_\theta(x \mid z)\, p(z)\, dz \tag{3.1}$$
#
# For pixels that are 0 or 1, the likelihood is a product of Bernoulli distributions whose logits are computed by the
# decoder network $f_\theta$:
#
# $$p_\theta(x \mid z) = \prod_{d=1}^{784} \operatorname{Ber}\big(x_d;\ \operatorname{sigmoid} f_{\theta, d}(z)\big) \tag{3.2}$$
#
# MNIST's pixels are grey. We draw each one anew from a Bernoulli distribution with its grey value as the probability,
# every time an image is used in training: **dynamic binarisation**. For testing we draw once, with a fixed seed, and
# all numbers of this notebook refer to that draw. The picture shows grey digits above and binary ones below.

# %%
test = digits.test
board = lab.Scoreboard(digits)
x_test = board.images  # the test digits, binarised once
lab.figures.show(
    lab.figures.digit_grid(
        torch.cat([test.images[:10], x_test[:10]]),
        row_labels=("grey", "binary"),
        title="Binarisation keeps the digit and makes the edges noisy",
    ),
    alt="Ten grey test digits, and below them the same digits with pixels drawn as 0 or 1.",
)

# %% [markdown]
# ## 3 Inference: the posterior is out of reach
#
# Maximum likelihood needs $\log p_\theta(x)$, and with it the integral 3.1, over as many dimensions as $z$ has. The
# true posterior $p_\theta(z \mid x) = p_\theta(x \mid z)\, p(z) / p_\theta(x)$ has the same integral in its
# denominator. We approximate it by a Gaussian whose dimensions are independent **given $x$** (mean field), and let
# one network, the **inference network** or encoder, compute mean and variance for any image:
#
# $$q_\phi(z \mid x) = \prod_{j=1}^{m} \mathcal{N}\big(z_j;\ \mu_j(x), \sigma_j^2(x)\big),
#   \qquad \big(\mu(x), \log \sigma^2(x)\big) = \operatorname{encoder}_\phi(x) \tag{3.3}$$
#
# In code a network returns a distribution object, whose one event is a whole latent vector or a whole image.

# %%
# NBVAL_CHECK_OUTPUT
torch.manual_seed(seed)
model = lab.GaussianVAE(latent_dim=2, hidden_dim=400)
x = x_test[:5]
posterior = model.posterior(x)
z = posterior.sample((3,))
print("posterior of 5 images :", posterior.batch_shape, "events of shape", posterior.event_shape)
print("3 samples of each     :", z.shape, "- sample axis first")
log_likelihood_of_x = model.likelihood(z).log_prob(x)
print("log p(x given z)      :", log_likelihood_of_x.shape, "- one number per sample and image")

# %% [markdown]
# ## 4 The ELBO, derived twice
#
# **By Jensen's inequality.** Write the integral as an expectation under $q$; the logarithm is concave:
#
# $$\log p_\theta(x) = \log \mathbb{E}_{q_\phi(z \mid x)}\!\left[\frac{p_\theta(x, z)}{q_\phi(z \mid x)}\right]
#   \ \ge\ \mathbb{E}_{q_\phi(z \mid x)}\big[\log p_\theta(x, z) - \log q_\phi(z \mid x)\big] =: \mathcal{L}(x) \tag{3.4}$$
#
# Split $\log p_\theta(x, z) = \log p_\theta(x \mid z) + \log p(z)$ to get the form that the code computes:
#
# $$\mathcal{L}(x) = \mathbb{E}_{q_\phi(z \mid x)}\big[\log p_\theta(x \mid z)\big]
#   - \mathrm{KL}\big(q_\phi(z \mid x)\,\|\,p(z)\big) \tag{3.5}$$
#
# **From an identity.** Jensen's inequality does not say how much is lost. Insert
# $p_\theta(x, z) = p_\theta(z \mid x)\, p_\theta(x)$ into 3.4 and take $\log p_\theta(x)$ out of the expectation:
#
# $$\log p_\theta(x) = \mathcal{L}(x) + \mathrm{KL}\big(q_\phi(z \mid x)\,\|\,p_\theta(z \mid x)\big) \tag{3.6}$$
#
# The gap is the KL divergence from the approximate to the true posterior. It is never negative, which proves the bound
# again, and it is zero if and only if the two agree. So maximising $\mathcal{L}$ over $\phi$ improves the inference,
# and over $\theta$ it raises a lower bound on the likelihood. Section 8 verifies 3.6 in numbers.

# %% [markdown]
# ## 5 The KL term in closed form
#
# For two Gaussians with diagonal covariance the KL of 3.5 is a **sum over the latent dimensions**:
#
# $$\mathrm{KL}\big(q_\phi(z \mid x)\,\|\,\mathcal{N}(0, I)\big)
#   = \frac{1}{2} \sum_{j=1}^{m} \big(\sigma_j^2 + \mu_j^2 - 1 - \log \sigma_j^2\big) \tag{3.7}$$
#
# **Exercise 3.1** (difficulty 1 of 3, 5 minutes). Write it, for a batch.
#
# <details><summary>Hint 1</summary>The argument is the logarithm of the variance: sigma squared is
# <code>log_var.exp()</code>.</details>
# <details><summary>Hint 2</summary>Sum over the last axis, the latent one, and keep the batch axis.</details>


# %% jupyter={"source_hidden": true}
def kl_gaussian(mean, log_var):
    """Eq. 3.7. mean, log_var: (batch, latent). Returns (batch,) in nats."""
    ### BEGIN SOLUTION
    return 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum(-1)
    ### END SOLUTION


kl_gaussian = lab.check("kl_gaussian", kl_gaussian)

# %% [markdown]
# Three routes to the same number: the closed form, `torch.distributions`, and the definition
# $\mathbb{E}_q[\log q - \log p]$ by Monte Carlo. ± is half of a 95 % interval everywhere: 1.96
# standard errors.

# %%
with torch.no_grad(), lab.seeded(seed):
    mean, log_var = torch.randn(2, 1, 8)
    q, p = Normal(mean, (log_var / 2).exp()), Normal(0.0, 1.0)
    z = q.sample((100_000,))
    terms = (q.log_prob(z) - p.log_prob(z)).sum(-1)
closed, library = kl_gaussian(mean, log_var).item(), kl_divergence(q, p).sum().item()
width = lab.half_width(terms).item()
print(f"closed form {closed:.4f}   torch {library:.4f}")
print(f"Monte Carlo {terms.mean():.4f} ± {width:.4f}")

# %% tags=["claim"]
assert abs(closed - library) < 1e-4 and abs(closed - terms.mean()) < 2.5 * width
assert torch.allclose(kl_gaussian(mean, log_var), lab.kl_diagonal_gaussian(mean, log_var))

# %% [markdown]
# ## 6 The expectation: sampling that lets the gradient through
#
# The first term of 3.5 is estimated with $L$ samples of $z$, and averaged over a minibatch of $M$ images:
#
# $$\mathcal{L} \approx \frac{1}{M} \sum_{i=1}^{M} \Big( \frac{1}{L} \sum_{l=1}^{L} \log p_\theta(x_i \mid z_i^{(l)})
#   - \mathrm{KL}\big(q_\phi(z \mid x_i)\,\|\,p(z)\big) \Big), \qquad z_i^{(l)} \sim q_\phi(z \mid x_i) \tag{3.8}$$
#
# Its gradient with respect to $\phi$ has to pass through the sampling. The **reparameterisation trick** makes the
# randomness an input: draw noise that does not depend on $\phi$, then shift and scale it.
#
# $$z = \mu(x) + \sigma(x) \odot \varepsilon, \qquad \varepsilon \sim \mathcal{N}(0, I) \tag{3.9}$$
#
# **Exercise 3.2** (difficulty 1 of 3, 4 minutes). Write equation 3.9.
#
# <details><summary>Hint 1</summary>What is sigma, if log_var is the logarithm of its square?</details>
# <details><summary>Hint 2</summary><code>(log_var / 2).exp()</code></details>


# %% jupyter={"source_hidden": true}
def reparameterise(mean, log_var, eps):
    """Eq. 3.9. All arguments and the result have shape (batch, latent)."""
    ### BEGIN SOLUTION
    return mean + (log_var / 2).exp() * eps
    ### END SOLUTION


reparameterise = lab.check("reparameterise", reparameterise)

# %% [markdown]
# **Exercise 3.3** (difficulty 2 of 3, 6 minutes). Write the estimate 3.8, from log-likelihoods of shape `(L, M)` and
# KL terms of shape `(M,)`.
#
# <details><summary>Hint 1</summary>First the mean over samples, then minus the KL of each image, then the mean over
# the batch.</details>
# <details><summary>Hint 2</summary>The sample axis is the first one.</details>


# %% jupyter={"source_hidden": true}
def minibatch_elbo(log_likelihood, kl):
    """Eq. 3.8. Returns one number, the ELBO in nats per image."""
    ### BEGIN SOLUTION
    return (log_likelihood.mean(0) - kl).mean()
    ### END SOLUTION


minibatch_elbo = lab.check("minibatch_elbo", minibatch_elbo)

# %% [markdown]
# `labutils.elbo` is these three pieces together. With your functions and the same noise it gives the same number:

# %%
x = x_test[:100]
with torch.no_grad():
    mean, log_var = model.encoder(x).chunk(2, dim=-1)
    with lab.seeded(seed):
        z = reparameterise(mean, log_var, torch.randn(100, 2))[None]  # one sample each
    mine = minibatch_elbo(model.likelihood(z).log_prob(x), kl_gaussian(mean, log_var))
    with lab.seeded(seed):
        by_labutils = lab.elbo(model, x).mean()
print(f"ELBO of 100 digits by hand {mine:.4f}   labutils {by_labutils:.4f} nats per digit")

# %% tags=["claim"]
assert torch.isclose(mine, by_labutils), "the same ELBO by hand and by labutils"

# %% [markdown]
# ## 7 A model with two latent dimensions
#
# With two dimensions everything can be drawn and the integral 3.1 can be computed. The text maximises the ELBO, the
# code minimises a loss, `-lab.elbo(model, lab.binarize(images)).mean()`: the sign changes there and nowhere else.
# `lab.trained` follows the recipe in `labutils/recipes.py`; the next cell prints its settings.

# %%
recipe = lab.recipes.RECIPES["gaussian_vae_2d"]()
print(digits.pick(mnist=recipe.mnist, bundled=recipe.bundled))
model, history = lab.trained("gaussian_vae_2d", digits)
title = "Two latent dimensions: the loss is minus the ELBO"
lab.figures.show(lab.figures.learning_curves(history, title))
history

# %% [markdown]
# The **manifold** of digits: decoded means on a grid of latent vectors, equally spaced in prior probability. And the
# same plane from the other side: the posterior means of the test digits, coloured by class; the square is what the left
# picture covers. The model never saw a label.

# %%
levels = torch.linspace(0.02, 0.98, 16)
axis_values = Normal(0.0, 1.0).icdf(levels)
rows, columns = torch.meshgrid(axis_values.flip(0), axis_values, indexing="ij")
grid = torch.stack([columns, rows], -1).view(-1, 2)
figure, axes = plt.subplots(1, 2, figsize=(13, 6.3))
with torch.no_grad():
    lab.figures.tiles(model.likelihood(grid).mean, 16, title="Decoded latent plane", axes=axes[0])
    means = model.posterior(x_test).mean
lab.figures.class_scatter(means, test.labels, title="Posterior means of test digits", axes=axes[1])
edge = axis_values.max().item()
axes[1].add_patch(plt.Rectangle((-edge, -edge), 2 * edge, 2 * edge, fill=False))
axes[1].set(xlabel="$z_1$", ylabel="$z_2$", xlim=(-4, 4), ylim=(-4, 4))
lab.figures.show(
    figure,
    alt="Left: digits decoded over the latent plane, changing smoothly from class to class. "
    "Right: test digits in the same plane, some classes apart and others overlapping.",
)

# %% [markdown]
# ## 8 The identity, verified
#
# In two dimensions a fine grid of points $z$ turns integrals into sums over cells (**quadrature**). All that is
# needed is $\log p_\theta(x \mid z)$ at each point, and for Bernoulli pixels that is a matrix product: the sum over
# pixels of $x_d f_d - \log(1 + e^{f_d})$.

# %%
step = 0.025
ticks = torch.arange(-5, 5, step) + step / 2
points = torch.cartesian_prod(ticks, ticks)


@torch.no_grad()
def log_joint(model, x, points):
    """log p(x, z) of images x (N, 784) at points z (P, 2): (P, N)."""
    rows = []
    for some in points.split(2_000):  # the logits of all points would take 500 MB
        logits = model.decoder(some)
        log_likelihood = logits @ x.T - F.softplus(logits).sum(-1, keepdim=True)
        rows.append(log_likelihood + model.prior.log_prob(some)[:, None])
    return torch.cat(rows)


def log_evidence(joint, step):
    """Eq. 3.1 by quadrature: log p(x, z) on a grid (P, N) with that step to log p(x), (N,)."""
    return joint.logsumexp(0) + 2 * math.log(step)


def gap_to_posterior(log_q, joint, step):
    """KL(q || true posterior) of Eq. 3.6 by quadrature: both (P, N) on the grid, to (N,)."""
    return (log_q.exp() * (log_q - (joint - log_evidence(joint, step)))).sum(0) * step**2


some, few = points[::30_011], x_test[:3]
with torch.no_grad():
    slowly = model.likelihood(some[:, None]).log_prob(few) + model.prior.log_prob(some)[:, None]

# %% tags=["claim"]
assert torch.allclose(log_joint(model, few, some), slowly, rtol=1e-4)

# %% [markdown]
# Now both sides of 3.6, each by its own route: $\log p_\theta(x)$ by quadrature; the ELBO by Monte Carlo; the KL
# from $q$ to the quadrature posterior.

# %%
x = x_test[:6]
joint = log_joint(model, x, points)
log_p = log_evidence(joint, step)
with torch.no_grad(), lab.seeded(seed):
    log_q = model.posterior(x).log_prob(points[:, None])
    draws = torch.stack([lab.elbo(model, x, 100) for _ in range(30)])
bound, widths = draws.mean(0), lab.half_width(draws)
gap = gap_to_posterior(log_q, joint, step)
print("   ELBO            + KL(q, posterior) =   sum      log p(x)")
for row in zip(bound, widths, gap, bound + gap, log_p, strict=True):
    print("{:8.3f} ± {:.3f} {:14.3f} {:15.3f} {:12.3f}".format(*map(float, row)))

# %% tags=["claim"]
assert (log_q.logsumexp(0) + 2 * math.log(step)).abs().max() < 1e-3, "the grid holds all of q"
assert ((bound + gap - log_p).abs() < 2.5 * widths + 1e-3).all(), "log p(x) = ELBO + KL"

# %% [markdown]
# The last two columns agree about as well as the ± lets one expect. The next picture shows where the gap comes from: the
# true posterior, in grey, beside the Gaussian $q$, drawn as the ellipse that holds 95 % of it.


# %%
def draw_posterior(axes, density, q):
    """The quadrature posterior (400 x 400) around q, and the ellipse of q."""
    center, sigma = q.mean, q.stddev
    axes.imshow(density.T, origin="lower", extent=(-5, 5, -5, 5), interpolation="nearest")
    angle = torch.linspace(0, 2 * math.pi, 100)
    circle = torch.stack([angle.cos(), angle.sin()], -1)
    axes.plot(*(center + 2.45 * sigma * circle).T, color=lab.figures.RED)  # root of chi2(2) at 95 %
    half = 7 * sigma.max().item()
    x, y = center.tolist()
    axes.set(xlim=(x - half, x + half), ylim=(y - half, y + half))
    axes.set(xlabel="$z_1$", ylabel="$z_2$")


worst = gap.argsort(descending=True)[:3]
figure, axes = plt.subplots(1, 3, figsize=(12, 4.2))
for axis, i in zip(axes, worst.tolist(), strict=True):
    density = (joint[:, i] - log_p[i]).exp().view(len(ticks), -1)
    with torch.no_grad():
        draw_posterior(axis, density, model.posterior(x[i]))
    axis.set_title(f"a {test.labels[i]}: KL = {gap[i]:.2f} nats")
lab.figures.show(
    figure,
    alt="True posteriors of three digits in the latent plane, each with the ellipse of q, "
    "which fits it roughly.",
)

# %% [markdown]
# The gap has two causes. One encoder serves all images (inference is **amortised**), so that the best
# ellipse for a given image may be missed: the *amortisation gap* (Cremer et al., 2018). And the family of $q$ is
# limited: its ellipses are parallel to the axes, and the true posterior need not be Gaussian at all. The Gaussian
# with the mean and the variances of the true posterior is a member of the family, so its KL bounds what the family
# costs.

# %%
weight = (joint - log_p).exp() * step**2  # the true posterior, one probability a cell
center = weight.T @ points
spread = (weight.T @ points**2 - center**2).sqrt()
log_member = Normal(center, spread).log_prob(points[:, None]).sum(-1)
of_family = gap_to_posterior(log_member, joint, step)
print("gap in nats             ", *(f"{value:6.2f}" for value in gap))
print("at most from the family ", *(f"{value:6.2f}" for value in of_family))

# %% tags=["claim"]
if digits.source == "mnist":
    assert of_family.mean() < gap.mean() / 2, "most of the gap is amortisation"

# %% [markdown]
# ## 9 Two gradients, and how many samples
#
# The reparameterised gradient is not the only one. The **score function** (or REINFORCE) estimator needs no path
# through the sample, only its density:
#
# $$\nabla_\phi \mathbb{E}_{q_\phi}\big[g(z)\big] = \mathbb{E}_{q_\phi}\big[g(z)\, \nabla_\phi \log q_\phi(z)\big],
#   \qquad g(z) = \log p_\theta(x \mid z) \tag{3.10}$$
#
# Both are right on average. **Predict, then run.** Which scatters more, and by what factor?


# %%
def score(z, mean, sigma):
    """The gradient of log q in Eq. 3.10 with respect to the mean of a Gaussian q."""
    return (z - mean) / sigma**2


image, count = x_test[:1], 5_000
with torch.no_grad():
    mean, log_var = model.encoder(image).chunk(2, dim=-1)
mean, sigma = mean.expand(count, -1).clone().requires_grad_(), (log_var / 2).exp()
with lab.seeded(seed):
    z = mean + sigma * torch.randn(count, 2)
g = model.likelihood(z).log_prob(image)
(by_path,) = torch.autograd.grad(g.sum(), mean)
g, direction = g.detach(), score(z, mean, sigma).detach()
by_score = g[:, None] * direction
baseline = (g.sum() - g) / (count - 1)  # the mean of the other samples
with_baseline = (g - baseline)[:, None] * direction
spreads = [each.std(0).mean() for each in (by_path, by_score, with_baseline)]
print("standard deviation: reparameterised {:.1f}, score function {:.1f}, with a baseline {:.1f}"
      .format(*map(float, spreads)))  # fmt: skip

# %% tags=["claim"]
assert all(
    ((by_path - other).mean(0).abs() < 5 * (by_path - other).std(0) / math.sqrt(count)).all()
    for other in (by_score, with_baseline)
), "the three agree on average"
assert spreads[0] < spreads[2] < spreads[1], "the reparameterised gradient scatters least"

# %%
figure, axes = plt.subplots(figsize=(8, 3.6))
bins = torch.linspace(-2.5, 2.5, 80) * spreads[1]
names = ("score function", "with a baseline", "reparameterised")
for values, name in zip((by_score, with_baseline, by_path), names, strict=True):
    axes.hist(values[:, 0].tolist(), bins=bins.tolist(), alpha=0.7, label=name)
axes.set(xlabel="gradient with respect to $\\mu_1$ (nats per unit)", ylabel="samples")
axes.set(title="Same mean, very different spread", yscale="log")
axes.legend()
lab.figures.show(
    figure,
    alt="Histograms of three gradient estimators around the same mean: the score function is "
    "widest, a baseline narrows it, the reparameterised one is narrowest.",
)

# %% [markdown]
# Much of the spread of the score function (Williams, 1992) is the large constant in $g$. Subtracting a
# baseline, here the mean of the other samples, removes it and leaves the mean of the gradient where it was. Notebook
# 04 builds on this.
#
# **How many samples $L$?** Kingma and Welling found $L = 1$ to be enough for minibatches of 100 or more. The estimate
# 3.8 varies for two reasons: the images in the batch and the samples of $z$. Training follows its gradient, so the next
# cell measures both on the gradient of the encoder's weights. **Predict, then run.** Which of the two is larger at $L = 1$?


# %%
def encoder_gradient(x, num_samples):
    """The gradient of Eq. 3.8 for a batch of images, with respect to all weights of the encoder."""
    bound = lab.elbo(model, x, num_samples).mean()
    return torch.cat([g.flatten() for g in torch.autograd.grad(bound, model.encoder.parameters())])


def spread(gradients):
    """The root of the total variance of gradients."""
    return torch.stack(list(gradients)).var(0).sum().sqrt().item()


size, draws = min(100, len(x_test) // 10), 60
with lab.seeded(seed):
    batches = torch.randperm(len(x_test)).split(size)[: min(draws, len(x_test) // size)]
    of_samples = {
        L: spread(encoder_gradient(x_test[batches[0]], L) for _ in range(draws)) for L in (1, 10)
    }
    of_both = {L: spread(encoder_gradient(x_test[i], L) for i in batches) for L in (1, 10)}
print(f"spread of the encoder's gradient, batches of {size}    L = 1   L = 10")
print("over samples, for the same images            ", *(f"{v:8.1f}" for v in of_samples.values()))
print("over images and samples                      ", *(f"{v:8.1f}" for v in of_both.values()))

# %% tags=["claim"]
assert 2.5 < of_samples[1] / of_samples[10] < 3.9, "ten times the samples: one over root ten"
assert of_both[1] ** 2 > 2 * of_samples[1] ** 2, "the images' part is larger, even at L = 1"
assert of_both[1] < 2 * of_both[10], "and it stays"

# %% [markdown]
# The spread over samples falls as $1/\sqrt{L}$; the images' part, the larger one even at $L = 1$, stays. Ten times as many
# *images* divide both by $\sqrt{10}$, and cost the decoder no more than ten samples of each. So $L = 1$ it is.

# %% [markdown]
# ## 10 A model for samples
#
# Two dimensions are for looking; now 20, in the same network with the same loss, more epochs. The decoder starts at
# the mean training image, which any decoder learns first, to save time.
# **Predict, then run.** By how many nats does the ELBO improve?

# %%
recipe = lab.recipes.RECIPES["gaussian_vae"]()
print(digits.pick(mnist=recipe.mnist, bundled=recipe.bundled))
vae, history = lab.trained("gaussian_vae", digits)
latent_dim = vae.prior.event_shape[0]
print(history.table())

# %% [markdown]
# The test ELBO uses all test digits. The importance-weighted bound of section 12 is tighter but costs
# 1,000 samples an image, so `elbo_and_gain` computes it on 100 digits spread over the test set. To the ELBO of all
# digits we add the mean gain on these: the gain varies much less between images than the bound itself. Both are for one
# fixed binarisation of the test set.


# %%
def elbo_of_each(model, images):
    """The ELBO of each image (N,), a thousand at a time, since all at once take much memory."""
    return torch.cat([lab.elbo(model, some) for some in images.split(1_000)])


ours, gain = lab.elbo_and_gain(vae, x_test, num_samples=1000)
tight = ours.mean() + gain.mean()
with torch.no_grad(), lab.seeded(seed):
    plane = elbo_of_each(model, x_test)
print(f"ELBO,  2 dimensions           : {plane.mean():8.2f} nats")
print(f"ELBO, 20 dimensions           : {ours.mean():8.2f} nats")
print(
    f"K = 1000 bound, 20 dimensions : {tight:8.2f} nats, with a gain of "
    f"{gain.mean():.2f} ± {lab.half_width(gain):.2f}"
)

# %% tags=["claim"]
assert ours.mean() > digits.pick(mnist=-100, bundled=-290), "below the expected nats"
assert tight > digits.pick(mnist=-95.5, bundled=-280), "below the expected nats"
assert ours.mean() > plane.mean(), "more dimensions help"
assert gain.std() < ours.std() / 3, "the gain varies less than the ELBO"

# %% [markdown]
# Both numbers enter the course's scoreboard; the ± of the bound includes that of its gain.

# %%
board.enter("Gaussian VAE", elbo=ours, gain=gain, num_samples=1000)
board

# %% [markdown]
# A model of $p(x)$ can be asked how probable an image is: the next cell shuffles the pixels of the test digits.


# %%
def shuffle_pixels(images):
    """Each image with its pixels in a random order of its own."""
    return images.gather(-1, torch.rand(images.shape).argsort(-1))


# with `seed` the order would come from the draws that binarised the digits
with torch.no_grad(), lab.seeded(seed + 1):
    parts = [lab.elbo(vae, shuffle_pixels(some)) for some in x_test.split(1_000)]
    shuffled = torch.cat(parts).mean()
print(f"ELBO of shuffled digits: {shuffled:.0f} nats")

# %% tags=["claim"]
assert shuffled < ours.mean() - 100, "far less probable than digits"

# %% [markdown]
# For comparison: with 50 dimensions, two hidden layers and 3,280 epochs on MNIST, Burda et al. (2016) reach $-86.76$
# (dynamic binarisation, $K = 5000$).

# %% [markdown]
# ## 11 What the model learned
#
# **Rate and distortion.** The two terms of the ELBO have names from coding: the distortion
# $D = -\mathbb{E}_q[\log p_\theta(x \mid z)]$ is what the decoder still gets wrong given the code; the rate $R$ is
# the KL, the nats that it costs to send the code, an upper bound on what the code tells about $x$ (Alemi et al.,
# 2018). The ELBO is $-(D + R)$. A latent dimension whose rate is near zero is not used; following Burda et al. we
# call a dimension **active** if its posterior mean varies over the test set with variance above 0.01.

# %%
with torch.no_grad():
    posterior = vae.posterior(x_test)
    by_dimension = kl_divergence(posterior.base_dist, vae.prior.base_dist).mean(0)
active = posterior.mean.var(0) > 0.01
rate = by_dimension.sum()
distortion = -ours.mean() - rate
print(f"ELBO {ours.mean():.2f} = - (distortion {distortion:.2f} + rate {rate:.2f}) nats")
print(f"active dimensions: {int(active.sum())} of {latent_dim}")
figure, axes = plt.subplots(figsize=(8, 3.4))
axes.bar(range(1, latent_dim + 1), by_dimension.sort(descending=True).values)
axes.set(xlabel="latent dimension, sorted", ylabel="rate (nats)")
axes.set(xticks=range(1, latent_dim + 1))
axes.set_title(f"{int(active.sum())} dimensions share {rate:.1f} nats")
lab.figures.show(
    figure, alt="Bar chart of the rate of each latent dimension in nats, in falling order."
)

# %% [markdown]
# **Reconstructions.** Binary test digits, the decoder's mean for a sample of their code, and a draw from
# $p_\theta(x \mid z)$. The mean is not an image that the model would generate: it is a map of probabilities.

# %%
x = x_test[:10]
with torch.no_grad(), lab.seeded(seed):
    likelihood = vae.likelihood(vae.posterior(x).sample())
    rows = torch.cat([x, likelihood.mean, likelihood.sample()])
lab.figures.show(
    lab.figures.digit_grid(rows, row_labels=("digit", "mean", "draw"), title="Reconstructions"),
    alt="Ten binary digits, the decoder's smooth mean for each, and a binary draw from it.",
)

# %% [markdown]
# **Samples.** Draw $z$ from the prior, then $x$ from $p_\theta(x \mid z)$. Many papers show the means
# in the upper rows and call them samples; what the model says are the draws in the lower rows, with their independent
# noise in each pixel.

# %%
with torch.no_grad(), lab.seeded(seed):
    likelihood = vae.likelihood(vae.prior.sample((20,)))
    rows = torch.cat([likelihood.mean, likelihood.sample()])
lab.figures.show(
    lab.figures.digit_grid(rows, row_labels=("means", "", "samples", ""), title="New digits"),
    alt="Twenty generated digits as decoder means, and below them binary samples from these.",
)

# %% [markdown]
# **Interpolation.** The straight line between the codes of two digits, decoded. The shapes change
# gradually; where a line passes between two classes, look for strokes that turn grey: there the decoder is unsure.

# %%
with torch.no_grad():
    ends = vae.posterior(x_test[[0, 2, 4]]).mean
    weight = torch.linspace(0, 1, 10)[:, None]
    lines = [torch.lerp(ends[i], ends[j], weight) for i, j in ((0, 1), (1, 2), (2, 0))]
    rows = vae.likelihood(torch.cat(lines)).mean
lab.figures.show(
    lab.figures.digit_grid(rows, title="From one digit to another"),
    alt="Three rows of ten digits, each row changing gradually from one test digit to another.",
)

# %% [markdown]
# ## 12 A tighter bound from importance weights
#
# Average the weights $w = p_\theta(x, z) / q_\phi(z \mid x)$ of $K$ samples **before** taking the logarithm (Burda et
# al., 2016):
#
# $$\mathcal{L}_K(x) = \mathbb{E}\left[\log \frac{1}{K} \sum_{k=1}^{K}
#   \frac{p_\theta(x, z_k)}{q_\phi(z_k \mid x)}\right], \qquad
#   \mathcal{L} = \mathcal{L}_1 \le \mathcal{L}_2 \le \dots \le \log p_\theta(x) \tag{3.11}$$
#
# **Exercise 3.4** (difficulty 2 of 3, 8 minutes). Write it from the logarithms of the weights. Below $-104$
# the exponential is zero in single precision, and the next but one cell counts how many are.
#
# <details><summary>Hint 1</summary>The logarithm of a sum of exponentials is <code>logsumexp</code>.</details>
# <details><summary>Hint 2</summary>Dividing by K inside the logarithm is subtracting log K outside.</details>


# %% jupyter={"source_hidden": true}
def importance_weighted(log_weight):
    """Eq. 3.11. log_weight: (K, batch). Returns (batch,) in nats."""
    ### BEGIN SOLUTION
    return log_weight.logsumexp(0) - math.log(len(log_weight))
    ### END SOLUTION


importance_weighted = lab.check("importance_weighted", importance_weighted)

# %%
x = x_test[:50]
with torch.no_grad(), lab.seeded(seed):
    q = model.posterior(x)
    z = q.sample((10,))
    log_weight = model.likelihood(z).log_prob(x) + model.prior.log_prob(z) - q.log_prob(z)
with lab.seeded(seed):
    by_labutils = lab.importance_bound(model, x, 10)
print(f"weights whose exponential is zero: {(log_weight.exp() == 0).float().mean():.0%}")

# %% tags=["claim"]
assert torch.allclose(importance_weighted(log_weight), by_labutils, rtol=1e-4)

# %% [markdown]
# For the two-dimensional model the exact value is known from the grid of section 8. The bound rises toward it. (On 50
# digits, so the numbers differ a little from section 10.)

# %%
K = (1, 10, 100, 1000)
x = x_test[:: max(1, len(x_test) // 50)]
exact = log_evidence(log_joint(model, x, points), step).mean()
curves = {
    "2 dimensions": [lab.log_likelihood(model, x, k).mean() for k in K],
    "20 dimensions": [lab.log_likelihood(vae, x, k).mean() for k in K],
}
print("K          ", *(f"{k:>9,}" for k in K), "    exact")
for name, curve in curves.items():
    known = {"2 dimensions": f"{exact:9.2f}"}
    print(f"{name:13}", *(f"{value:9.2f}" for value in curve), known.get(name, "  unknown"))
missing = exact - torch.tensor(curves["2 dimensions"])

# %% tags=["claim"]
assert all((torch.tensor(curve).diff() > 0).all() for curve in curves.values()), (
    "the bound rises with K"
)
assert (missing > 0).all() and missing[-1] < missing[0] / 2, "toward the exact value"

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 3.8))
for axis, (name, curve) in zip(axes, curves.items(), strict=True):
    axis.semilogx(K, curve, "o-", label="bound")
    axis.set(xlabel="samples K", title=name, ylabel="nats per digit")
axes[0].axhline(exact.item(), color="black", linestyle="--", label="exact, by quadrature")
axes[0].legend()
figure.suptitle("More samples, a tighter bound", fontweight="bold")
lab.figures.show(figure, alt="The bound rises with K, in two dimensions toward the exact value.")

# %% [markdown]
# The first samples gain most. The rest of the gap closes slowly, even in two dimensions: where $q$
# misses a part of the true posterior, its samples seldom fall there. In twenty
# dimensions the exact value is unknown, and a curve that still rises at $K = 1000$ says that the bound is not tight
# yet.

# %% [markdown]
# ## 13 Two likelihoods, and one that is none
#
# **Grey pixels are not coin flips.** Many programs put grey values into $x \log \theta + (1 - x) \log (1 - \theta)$, minus
# the binary cross-entropy, and call it a log-likelihood. A density has to integrate to one over $x \in [0, 1]$. The
# exponential of this does not, and by how much it fails depends on $\theta$:
#
# $$\int_0^1 \theta^x (1 - \theta)^{1 - x}\, dx = \frac{2 \theta - 1}{\log \theta - \log (1 - \theta)} \tag{3.12}$$
#
# So it cannot be left out as a constant. On grey pixels the cross-entropy is minus the *expected* Bernoulli
# log-likelihood over binarisations: a fine training signal, but no log-density of the grey image. Divided by 3.12, the
# density is the *continuous Bernoulli* of Loaiza-Ganem and Cunningham (2019). The next cell checks 3.12 by quadrature.


# %%
def grey_integral(theta):
    """Eq. 3.12, for theta other than one half."""
    return (2 * theta - 1) / torch.logit(theta)


theta = torch.linspace(0.01, 0.99, 50, dtype=torch.float64)
grey = (torch.arange(2_000, dtype=torch.float64) + 0.5)[:, None] / 2_000
integral = (theta**grey * (1 - theta) ** (1 - grey)).mean(0)
figure, axes = plt.subplots(figsize=(8, 3.2))
axes.plot(theta, integral, label="exp(-cross-entropy), grey pixels")
axes.axhline(1, color="black", linestyle="--", label="a density")
axes.set(xlabel="$\\theta$", ylabel="integral over a pixel", ylim=(0, 1.1))
axes.set_title("Cross-entropy on grey pixels is no likelihood")
axes.legend(loc="center", bbox_to_anchor=(0.5, 0.68))
lab.figures.show(
    figure, alt="The integral is one half at theta = 0.5, falls toward both ends, is never one."
)

# %% tags=["claim"]
assert torch.allclose(integral, grey_integral(theta), rtol=1e-5)

# %% [markdown]
# Two honest ways out are used in this course. **Binarise**, and use Bernoulli pixels, as above. Or stay grey, with a
# **Gaussian** of learned variance:
#
# $$p_\theta(x \mid z) = \prod_{d=1}^{784} \mathcal{N}\big(x_d;\ f_{\theta, d}(z), s^2\big), \qquad s \text{ learned} \tag{3.13}$$
#
# Its value is a log-**density**: it can be positive, and it must not be compared with the log-probabilities of binary
# images. (We simplify: MNIST's grey values are 256 discrete levels, for which a distribution over these levels would be
# another honest choice, and most pixels are exactly 0, where a density could grow without limit; one variance for all
# pixels prevents that.)


# %%
def grey_loss(model, images, labels):
    return -lab.elbo(model, images).mean()


torch.manual_seed(seed)
grey_vae = lab.GaussianVAE(latent_dim, hidden_dim=400, likelihood="gaussian")
epochs = digits.pick(mnist=2, bundled=160)
lab.fit(grey_vae, grey_loss, digits, epochs=epochs, batch_size=250, learning_rate=1.2e-2, seed=seed)
with torch.no_grad(), lab.seeded(seed):
    density = elbo_of_each(grey_vae, test.images).mean()
    errors = []  # squared, the mean of each image
    for some in digits.train.images[:10_000].split(1_000):
        rebuilt = grey_vae.likelihood(grey_vae.posterior(some).sample()).mean
        errors.append((rebuilt - some).square().mean(-1))
s, rms = (grey_vae.log_var / 2).exp().item(), torch.cat(errors).mean().sqrt().item()
print(f"ELBO {density:.1f} nats of log-density")
print(f"learned s = {s:.3f}, root mean square error on training digits {rms:.3f}")
print(f"fixing s = 1 would weigh the KL {1 / s**2:.0f} times as much")

# %% tags=["claim"]
assert abs(s / rms - 1) < digits.pick(mnist=0.1, bundled=0.5), (
    "s is near the root mean square error"
)
assert density > 0, "a log-density, unlike a log-probability, can be positive"

# %% [markdown]
# The learned $s$ is near the error of the reconstructions: maximum likelihood sets a variance to the
# mean square error. For a fixed $s$, maximising the ELBO minimises half the squared error plus $s^2$ times the KL:
# programs that use the squared error with $s = 1$ weigh the KL far more than the data would (section 15).

# %% [markdown]
# ## 14 Where the blur comes from
#
# Decoder means are blurred. Three causes, none of which is a squared error: there is none in a Bernoulli likelihood.
#
# 1. The likelihood is independent for each pixel given $z$: it cannot say "the stroke is here *or* there".
# 2. We look at means, not at samples.
# 3. Different images share nearly the same code, and the mean is their average: what $z$ does not tell apart is blurred.
#
# The third can be shown: pick a code in the plane of section 7, and average the 50 training digits whose codes lie
# nearest. **Predict, then run.** How close is that average to the decoder's mean?

# %%
with torch.no_grad():
    generator = torch.Generator().manual_seed(seed)
    codes = torch.cat(
        [
            model.posterior(lab.binarize(images, generator)).mean
            for images in digits.train.images.split(5_000)
        ]
    )
    centers = model.posterior(x_test[:10]).mean
    nearest = torch.cdist(centers, codes).topk(50, largest=False).indices
    averages = digits.train.images[nearest].mean(1)
    decoded = model.likelihood(centers).mean
    sharper = vae.likelihood(vae.posterior(x_test[:10]).mean).mean
rows = torch.cat([test.images[:10], decoded, averages, sharper])
names = ("digit", "decoded, 2-d", "average of 50", "decoded, 20-d")
lab.figures.show(
    lab.figures.digit_grid(
        rows, row_labels=names, title="Blur averages what the code does not tell apart"
    ),
    alt="Ten digits; their two-dimensional reconstructions; averages of the training digits with "
    "the nearest codes, which look the same; and sharper 20-dimensional reconstructions.",
)
pictures = torch.stack([decoded.flatten(), averages.flatten(), test.images[:10].flatten()])
likeness = torch.corrcoef(pictures)[0]
print(
    f"correlation of the decoded means with the averages {likeness[1]:.3f}, "
    f"with the digits themselves {likeness[2]:.3f}"
)

# %% tags=["claim"]
assert likeness[1] > 0.9 and likeness[1] > likeness[2]
assert (sharper * (1 - sharper)).mean() < (decoded * (1 - decoded)).mean(), (
    "with 20 dimensions the means are sharper"
)

# %% [markdown]
# More latent dimensions tell more images apart, and the last row is sharper.

# %% [markdown]
# ## 15 Posterior collapse, and beta
#
# Weigh the rate with a factor $\beta$ (Higgins et al., 2017):
#
# $$\mathcal{L}_\beta(x) = \mathbb{E}_{q_\phi(z \mid x)}\big[\log p_\theta(x \mid z)\big] - \beta\, \mathrm{KL}\big(q_\phi(z \mid x)\,\|\,p(z)\big) \tag{3.14}$$
#
# For $\beta \ge 1$ it is still a lower bound, for $\beta < 1$ it need not be one. A large $\beta$ makes the code
# expensive. If it costs more than it saves, the best posterior is the prior: the rate is zero, the decoder ignores
# $z$, and what is left is one Bernoulli probability for each pixel. That is **posterior collapse**.
#
# **Predict, then run.** We train a 20-dimensional model on at most 10,000 digits with $\beta$ = 0.1, 1 and 30. Which
# has the highest rate? Which the best ELBO (with $\beta = 1$, so that the numbers can be compared)?

# %%
small = replace(digits, train=digits.train[:10_000], validation=digits.validation[:1_000])


def beta_loss(model, images, labels, beta):
    """Minus Eq. 3.14, one sample of z for each image."""
    x = lab.binarize(images)
    posterior = model.posterior(x)
    distortion = -model.likelihood(posterior.rsample()).log_prob(x)
    return (distortion + beta * kl_divergence(posterior, model.prior)).mean()


def beta_model(beta):
    torch.manual_seed(seed)
    model = lab.GaussianVAE(latent_dim, hidden_dim=200)
    loss, epochs = partial(beta_loss, beta=beta), digits.pick(mnist=5, bundled=40)
    lab.fit(model, loss, small, epochs=epochs, batch_size=250, learning_rate=1.2e-2, seed=seed)
    return model


# %%
table, rows, results = ["beta       rate   distortion       ELBO   active"], [], {}
for beta in (0.1, 1, 30):
    one = beta_model(beta)
    with torch.no_grad(), lab.seeded(seed):
        q = one.posterior(x_test)
        rate, value = kl_divergence(q, one.prior).mean(), elbo_of_each(one, x_test).mean()
        rows.append(one.likelihood(one.prior.sample((10,))).mean)
    used = int((q.mean.var(0) > 0.01).sum())
    results[beta] = (rate.item(), value.item(), used)
    table.append(f"{beta:4} {rate:10.2f} {-value - rate:12.2f} {value:10.2f} {used:8}")
print("\n".join(table))
names = ("beta 0.1", "beta 1", "beta 30")
lab.figures.show(
    lab.figures.digit_grid(
        torch.cat(rows), row_labels=names, title="Means of samples from the prior"
    ),
    alt="Samples for three values of beta: fragments for 0.1, rough digits for 1, and ten times "
    "the same grey blob for 30.",
)

# %% tags=["claim"]
assert results[30][0] < 0.5 and results[30][2] == 0, "the code is not used: collapse"
assert results[1][1] > max(results[0.1][1], results[30][1]), "beta = 1 has the best ELBO"
assert results[0.1][0] > results[1][0], "a cheap code has a higher rate"

# %% [markdown]
# With $\beta = 0.1$ the rate is highest, and it costs more than it saves: the ELBO is below that of $\beta = 1$, and samples
# from the prior are broken. With $\beta = 30$ the decoder knows one image only, the mean digit: its ELBO is that of
# independent pixels, about $-206$ nats on MNIST, the first model of the course's scoreboard. The rate shows this
# collapse; notebook 04 meets one that it does not show.

# %% [markdown]
# ## Summary
#
# 1. A VAE is a continuous mixture: draw $z$ from the prior, $x$ from $p_\theta(x \mid z)$; the encoder is there for inference.
# 2. $\log p_\theta(x)$ is the ELBO plus the KL to the true posterior: verified by quadrature, in numbers.
# 3. The KL is a sum over latent dimensions; reparameterised gradients scatter far less than plain score-function ones.
# 4. Report nats with the binarisation and the number of samples; the bound rises with $K$ toward $\log p_\theta(x)$.
# 5. Blur is averaging over what the code does not tell apart; collapse is a rate of zero.
#
# ## Errata of the handout
#
# | where | what it says | what is right |
# | --- | --- | --- |
# | 0.5, title and eq. 3 | binary observed space, then a Gaussian likelihood | Bernoulli for binary pixels (3.2), Gaussian for grey ones (3.13) |
# | eq. 4 | $q(z_1, \dots, z_m)$ factorises, without conditioning | $q(z \mid x)$ factorises (3.3) |
# | eq. 6 | $\mathcal{N}(\mu, \sigma^2 I)$ with a vector $\sigma^2$ | $\mathcal{N}(\mu, \operatorname{diag}(\sigma^2))$ |
# | eq. 8 | $p_\theta(z \mid x)\, p_\theta(z)$ in the numerator | $p_\theta(x \mid z)\, p_\theta(z)$ |
# | eq. 11 to 17 | the KL of one dimension, used as the whole; $\sigma_{ij}$ as a full covariance | the sum over the dimensions $j$ of 3.7; $i$ is the image, the covariance is diagonal |
# | eq. 15 to 17 | a bound with $p(x \mid z_j)$ and one dimension's KL | the bound holds with the whole $z$ and the sum over $j$ (3.5) |
# | eq. 18, 19 | $L = 1$ is enough if the minibatch holds 100 | right, as an empirical remark: section 9 measures why |
# | eq. 20 | $\sigma_{ii}, \mu_{ii}$, and no sum over dimensions | the sum over $j$ of $\sigma_{ij}, \mu_{ij}$ |
# | 0.8 | blur because of the root mean square error | section 14: no squared error is involved |
#
# ## References
#
# - A. Alemi, B. Poole, I. Fischer, J. Dillon, R. Saurous, K. Murphy. Fixing a broken ELBO. ICML 2018.
# - Y. Burda, R. Grosse, R. Salakhutdinov. Importance weighted autoencoders. ICLR 2016.
# - C. Cremer, X. Li, D. Duvenaud. Inference suboptimality in variational autoencoders. ICML 2018.
# - I. Higgins et al. beta-VAE: learning basic visual concepts with a constrained variational framework. ICLR 2017.
# - D. Kingma, M. Welling. Auto-encoding variational Bayes. ICLR 2014.
# - G. Loaiza-Ganem, J. Cunningham. The continuous Bernoulli: fixing a pervasive error in variational autoencoders.
#   NeurIPS 2019.
# - D. Rezende, S. Mohamed, D. Wierstra. Stochastic backpropagation and approximate inference in deep generative models.
#   ICML 2014.
# - R. Williams. Simple statistical gradient-following algorithms for connectionist reinforcement learning. Machine
#   Learning 8, 1992.

# %%
lab.solved("03")
