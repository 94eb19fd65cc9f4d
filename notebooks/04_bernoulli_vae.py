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
# # 04 The VAE with binary latents
#
# If the code is made of bits, the gradient that trained notebook 03 does not exist. Here we see why, try five ways out,
# and measure each against the exact gradient, which eight bits allow.
#
# **After this notebook you will be able to**
#
# - write a VAE whose code is bits, with its KL term in closed form;
# - say why the reparameterisation trick fails for a bit, and compute the exact gradient by enumeration;
# - implement and compare score-function, leave-one-out, DisARM, straight-through and Gumbel-Softmax gradients by bias,
#   variance and cost;
# - report a model in nats with hard bits, and tell a relaxed objective from a bound;
# - recognise a collapse early, and read what bits mean.
#
# **Time needed:** about 2 hours, with four exercises. The cells run in about 80 seconds on two cores.

# %%
import labutils as lab  # fails? python tools/doctor.py

import math
from collections import namedtuple
from dataclasses import asdict, replace
from functools import partial

import torch
from matplotlib import pyplot as plt
from torch.distributions import Bernoulli, Independent, kl_divergence
from torch.nn import functional as F

lab.figures.use_style()
seed = 0
digits = lab.load()
print("torch ", torch.__version__)
print("device", torch.accelerator.current_accelerator(check_available=True) or "cpu")
print("data  ", digits)
print("seed  ", seed)

# %% [markdown]
# ## 1 A code of bits
#
# The generative process first tosses $m$ fair coins. The image given the bits is as in 3.2, a product of Bernoulli
# distributions whose logits the decoder computes. With $m$ bits there are $2^m$ codes, and the integral 3.1 becomes a
# sum:
#
# $$p(z) = \prod_{j=1}^{m} \operatorname{Ber}\big(z_j;\ \tfrac{1}{2}\big) = 2^{-m}, \qquad
#   p_\theta(x) = 2^{-m} \sum_{z \in \{0, 1\}^m} p_\theta(x \mid z) \tag{4.1}$$
#
# The inference network returns one logit $\ell_j(x)$ for each bit; given $x$ the bits are independent:
#
# $$q_\phi(z \mid x) = \prod_{j=1}^{m} \operatorname{Ber}\big(z_j;\ \operatorname{sigmoid} \ell_j(x)\big),
#   \qquad \ell(x) = \operatorname{encoder}_\phi(x) \tag{4.2}$$
#
# (The handout's equation 21 writes $p(z \mid y)$ for this recognition model. It is $q$: the true posterior has no
# reason to factorise.)

# %%
# NBVAL_CHECK_OUTPUT
board = lab.Scoreboard(digits)
x_test = board.images  # the test digits, binarised once
torch.manual_seed(seed)
untrained = lab.BernoulliVAE(latent_dim=8, hidden_dim=200)
x = x_test[:5]
posterior = untrained.posterior(x)
z = posterior.sample((3,))
print("posterior of 5 images :", posterior.batch_shape, "events of shape", posterior.event_shape)
print("3 samples of each     :", z.shape, "- values", z.unique().tolist())
print("log p(x given z)      :", untrained.likelihood(z).log_prob(x).shape)

# %% [markdown]
# ## 2 The KL term
#
# The KL of two Bernoulli distributions, summed over the bits, for any prior with logits $\ell^0$. Fair coins have
# $\ell^0 = 0$; there it is $\log 2$ minus the entropy of each bit.
#
# $$\mathrm{KL}\big(q_\phi(z \mid x)\,\|\,p(z)\big)
#   = \sum_{j=1}^{m} \Big( p_j \log \frac{p_j}{p^0_j} + (1 - p_j) \log \frac{1 - p_j}{1 - p^0_j} \Big),
#   \qquad p_j = \operatorname{sigmoid} \ell_j,\ p^0_j = \operatorname{sigmoid} \ell^0_j \tag{4.3}$$
#
# A bit that is certain has $p_j = 0$ or $1$ in floating point, and $0 \log 0$ gives `nan`. Logarithms taken from the
# logit avoid it: $\log p = \operatorname{logsigmoid}(\ell)$, $\log(1 - p) = \operatorname{logsigmoid}(-\ell)$.
#
# **Exercise 4.1** (difficulty 1 of 3, 6 minutes). Write 4.3 for fair coins, $p^0_j = 1/2$.
#
# <details><summary>Hint 1</summary>Dividing by one half inside a logarithm is adding log 2 outside.</details>
# <details><summary>Hint 2</summary>Per bit: p (logsigmoid(l) + log 2) + (1 - p) (logsigmoid(-l) + log 2). Then sum
# over the last axis.</details>


# %% jupyter={"source_hidden": true}
def kl_bits(logits):
    """Eq. 4.3 with a prior of fair coins. logits: (batch, latent). Returns (batch,) in nats."""
    ### BEGIN SOLUTION
    p = logits.sigmoid()
    one, zero = F.logsigmoid(logits) + math.log(2), F.logsigmoid(-logits) + math.log(2)
    return (p * one + (1 - p) * zero).sum(-1)
    ### END SOLUTION


kl_bits = lab.check("kl_bits", kl_bits)

# %% [markdown]
# The definition, summed over all 256 codes, gives the same number. A certain bit costs $\log 2 = 0.693$ nats, an
# undecided one nothing: $m$ bits can carry at most $m \log 2$ nats.

# %%
# NBVAL_CHECK_OUTPUT
codes = lab.objectives.all_codes(8)
with torch.no_grad():
    log_q = posterior.log_prob(codes[:, None])
    counted = (log_q.exp() * (log_q - untrained.prior.log_prob(codes)[:, None])).sum(0)
print("codes :", tuple(codes.shape), "- the first is", codes[0].int().tolist())
for logit in (0.0, 2.0, 20.0, 200.0):
    print(f"logit {logit:5}: KL = {lab.kl_bernoulli(torch.tensor([logit])):.4f} nats")

# %% tags=["claim"]
assert torch.allclose(kl_bits(posterior.base_dist.logits), counted, atol=1e-5), "4.3 is that sum"

# %% [markdown]
# The ELBO is that of notebook 03 (3.5), and the code minimises its negative, with $L$ samples:
#
# $$-\mathcal{L}(x) \approx \mathrm{KL}\big(q_\phi(z \mid x)\,\|\,p(z)\big)
#   - \frac{1}{L} \sum_{l=1}^{L} \log p_\theta(x \mid z^{(l)}), \qquad z^{(l)} \sim q_\phi(z \mid x) \tag{4.4}$$
#
# This is the handout's equation 22. It is a loss to minimise, though it is called $\mathcal{L}_{\text{VAE}}$ there.
# `labutils.elbo` computes minus 4.4 for either VAE. The handout stops here: differentiating through the sampling is
# "problematic, unfortunately".

# %%
lab.figures.show(lab.diagrams.bits())

# %% [markdown]
# ## 3 The truth, by counting
#
# With eight bits nothing has to be sampled: 256 codes are decoded once, and serve all images. The expectation in the
# ELBO is a sum over codes, and so is the likelihood:
#
# $$\mathcal{L}(x) = \sum_{z \in \{0, 1\}^m} q_\phi(z \mid x) \log p_\theta(x \mid z)
#   - \mathrm{KL}\big(q_\phi(z \mid x)\,\|\,p(z)\big) \tag{4.5}$$
#
# $$\log p_\theta(x) = \log \sum_{z \in \{0, 1\}^m} \exp\big(\log p_\theta(x \mid z) - m \log 2\big) \tag{4.6}$$
#
# Both are differentiable as they stand: 4.5 gives the **exact gradient** of the ELBO, the yardstick of this notebook.
# The first model is trained with it. `lab.trained` follows a recipe in `labutils/recipes.py` and keeps the model; the two
# functions here do the same for models that only this notebook needs, and keep nothing. All are validated with hard bits,
# drawn from $q$, whatever they are trained on. The decoder starts at the mean training image; section 9 shows what
# happens if it does not.


# %%
def loss_of(objective):
    """Eq. 4.4: minus the mean of an objective, (model, x) to nats (batch,), of binarised images."""

    def loss(model, images, labels):
        return -objective(model, lab.binarize(images)).mean()

    return loss


def train(model, objective, data=digits, **settings):
    hard_bits = loss_of(lab.elbo)
    return lab.fit(model, loss_of(objective), data, validation_loss=hard_bits, **settings)


# %%
recipe = lab.recipes.RECIPES["bernoulli_vae_8"]()
settings = digits.pick(mnist=recipe.mnist, bundled=recipe.bundled)
print(settings)
model, history = lab.trained("bernoulli_vae_8", digits)
history


# %%
def by_batches(objective, model, x):
    """An objective (model, x) to nats (batch,), of 1,000 images at a time: all codes take room."""
    with torch.no_grad():
        return torch.cat([objective(model, batch) for batch in x.split(1_000)])


bound_of_8 = by_batches(lab.objectives.exact_elbo, model, x_test)
exact8 = by_batches(lab.objectives.exact_log_likelihood, model, x_test)
with torch.no_grad(), lab.seeded(seed):
    sampled = lab.elbo(model, x_test)
print(f"ELBO with 1 sample {sampled.mean():.2f}, exact {bound_of_8.mean():.2f} nats")
print(f"log p(x), exact    {exact8.mean():.2f} nats, on all {len(x_test):,} test digits")
difference = sampled - bound_of_8
error = difference.std() / math.sqrt(len(x_test))

# %% tags=["claim"]
assert abs(difference.mean()) < 5 * error, "sampling estimates the exact ELBO"
assert (bound_of_8 <= exact8 + 1e-3).all(), "the ELBO lies below log p(x), for every digit"

# %% [markdown]
# The **rate** $R$, the mean KL, is what the code costs. Part of it is wasted if the codes in use, averaged over the
# images into $q(z)$, are not the fair coins of the prior; the rest is the **information** $I$ that the code carries
# about which image it came from:
#
# $$R = I + \mathrm{KL}\big(q(z)\,\|\,p(z)\big), \qquad q(z) = \frac{1}{N} \sum_{i=1}^{N} q_\phi(z \mid x_i),
#   \qquad 0 \le I \le R \le m \log 2 \tag{4.7}$$
#
# For eight bits this, too, is a sum over 256 codes.


# %%
def log_posterior(model, codes, x):
    """log q(z given x) of each code, without gradient: (codes, batch)."""
    with torch.no_grad():
        batches = [model.posterior(batch).log_prob(codes[:, None]) for batch in x.split(1_000)]
    return torch.cat(batches, dim=1)


def rate_and_information(model, x):
    """Eq. 4.7: R and I in nats, for the images x. Exact, by enumeration."""
    codes = lab.objectives.all_codes(model.prior.event_shape[0])
    log_q, log_prior = log_posterior(model, codes, x), model.prior.log_prob(codes)
    rate = (log_q.exp() * (log_q - log_prior[:, None])).sum(0).mean()
    log_average = log_q.logsumexp(1) - math.log(len(x))
    wasted = (log_average.exp() * (log_average - log_prior)).sum()
    return rate.item(), (rate - wasted).item()


rate, information = rate_and_information(model, x_test)
print(f"rate {rate:.2f} nats of at most {8 * math.log(2):.2f}, information {information:.2f}")

# %% tags=["claim"]
assert 0 < information < rate < 8 * math.log(2), "the order of 4.7"

# %% [markdown]
# ## 4 One bit, and why the trick of notebook 03 fails
#
# Write a bit as a function of noise that does not depend on $\phi$, as 3.9 did for a Gaussian:
# $z = \mathbb{1}[u < \operatorname{sigmoid} \ell]$ with $u$ uniform on $[0, 1]$. For a fixed $u$ this is a **step** in
# $\ell$: its slope is zero wherever it has one, and autograd returns zero or refuses. The average over $u$ is
# smooth all the same. For one bit and any function $g$ of it:
#
# $$\frac{d}{d \ell}\, \mathbb{E}\big[g(z)\big]
#   = \operatorname{sigmoid}(\ell)\, \operatorname{sigmoid}(-\ell)\, \big(g(1) - g(0)\big) \tag{4.8}$$
#
# The gradient of the average is not the average of the gradients: exchanging the two is not allowed across a jump.
#
# **Predict, then run.** What is the mean slope over a thousand steps? And the slope of their mean?


# %%
def slope(g, logit):
    """Eq. 4.8, for one bit with values g[0] and g[1]."""
    return logit.sigmoid() * (-logit).sigmoid() * (g[1] - g[0])


g = torch.tensor([-92.0, -90.0])  # log p(x given z) for z = 0 and z = 1
grid = torch.linspace(-5, 5, 1001)
with lab.seeded(seed):
    u = torch.rand(1000, 1)
steps = g[(u < grid.sigmoid()).long()]  # one row for each u: a function of the logit
average = steps.mean(0)
slope_of_average = (average[600] - average[400]) / (grid[600] - grid[400])
by_formula = slope(g, grid[400:601]).mean()
flat = (steps.diff(dim=1) == 0).float().mean()
logit = torch.zeros(1000, 1, requires_grad=True)
print("autograd sees a slope of the steps:", (u < logit.sigmoid()).float().requires_grad)
print(f"{flat:.2%} of all intervals are flat")
print(f"slope of the mean: {slope_of_average:.3f}, by 4.8: {by_formula:.3f}")

# %% tags=["claim"]
assert flat > 0.99, "a step is flat nearly everywhere"
assert abs(slope_of_average - by_formula) < 0.1, "and the mean of the steps is not"

# %%
figure, axes = plt.subplots(1, 2, figsize=(11.5, 3.9), sharey=True)
for row, colour in zip(
    steps[:3], (lab.figures.BLUE, lab.figures.ORANGE, lab.figures.GREEN), strict=True
):
    axes[0].plot(grid, row, color=colour)
axes[0].set(title="Three draws of u: slope 0", xlabel="logit ℓ", ylabel="g(z) (nats)")
axes[1].plot(grid, average, label="mean of 1,000 steps")
axes[1].plot(grid, g[0] + (g[1] - g[0]) * grid.sigmoid(), "--", label="E[g(z)]")
axes[1].set(title="Their mean: a slope everywhere", xlabel="logit ℓ")
axes[1].legend()
lab.figures.show(
    figure,
    alt="Left: three functions of the logit that jump from -92 to -90, each at another place, and "
    "are flat elsewhere. Right: the mean of a thousand such steps is a smooth sigmoid.",
)

# %% [markdown]
# ## 5 Five ways out
#
# Write $g(z) = \log p_\theta(x \mid z)$; the KL term is differentiated exactly throughout. Each estimator in
# `labutils/estimators.py` is called as `estimator(g, logits, num_samples=2)`: its value estimates $\mathbb{E}_q[g(z)]$,
# its gradient the gradient of that, so that one is swapped for another in one word. `bits_elbo(estimator, model, x)`
# takes off the KL term, which makes it the ELBO.
#
# **Score function** (Williams, 1992). As in 3.10, only the density is differentiated; for bits the score is
# $\nabla_\ell \log q(z) = z - \operatorname{sigmoid} \ell$:
#
# $$\nabla_\ell\, \mathbb{E}_q[g(z)] = \mathbb{E}_q\big[g(z)\, (z - \operatorname{sigmoid} \ell)\big] \tag{4.9}$$
#
# **Leave-one-out baseline** (Mnih and Rezende, 2016; Kool et al., 2019). A baseline $b$ takes the large constant out of
# $g$. It leaves the mean where it is if it does not depend on the sample it is subtracted for, since
# $\mathbb{E}_q[b\,(z - \operatorname{sigmoid} \ell)] = 0$ then. The mean of the *other* samples is free:
#
# $$\frac{1}{L} \sum_{l=1}^{L} \Big( g(z^{(l)}) - \frac{1}{L - 1} \sum_{k \ne l} g(z^{(k)}) \Big)
#   \big(z^{(l)} - \operatorname{sigmoid} \ell\big) \tag{4.10}$$
#
# **Exercise 4.2** (difficulty 2 of 3, 8 minutes). Write 4.10.
#
# <details><summary>Hint 1</summary>The sum over the others is the sum over all, minus one's own.</details>
# <details><summary>Hint 2</summary><code>(g - baseline)[..., None]</code> multiplies each code's score; then the mean
# over the first axis.</details>


# %% jupyter={"source_hidden": true}
def leave_one_out_gradient(g, z, logits):
    """Eq. 4.10. g: (L, batch), z: (L, batch, latent), logits: (batch, latent), as is the result."""
    ### BEGIN SOLUTION
    baseline = (g.sum(0) - g) / (len(g) - 1)
    return ((g - baseline)[..., None] * (z - logits.sigmoid())).mean(0)
    ### END SOLUTION


leave_one_out_gradient = lab.check("leave_one_out_gradient", leave_one_out_gradient)

# %% [markdown]
# **DisARM** (Dong et al., 2020; after ARM by Yin and Zhou, 2019). Two codes share their noise, one mirrored:
# $z = \mathbb{1}[u < \operatorname{sigmoid} \ell]$ and $\tilde z = \mathbb{1}[1 - u < \operatorname{sigmoid} \ell]$.
# Where a bit comes out equal in both, it learns nothing from this pair; where it differs, the difference of $g$ is
# informative:
#
# $$\tfrac{1}{2} \big(g(z) - g(\tilde z)\big)\, (z_j - \tilde z_j)\, \operatorname{sigmoid}(|\ell_j|) \tag{4.11}$$
#
# These three are **unbiased**: right on average. The other two differentiate $g$ itself, through the decoder, and are
# **biased**: they answer a slightly different question.
#
# **Straight-through** (Bengio et al., 2013). Decode the bit; for the gradient, pretend that it was its probability:
#
# $$\nabla_z\, g(z) \odot \nabla_\ell \operatorname{sigmoid} \ell, \qquad z \sim q_\phi(z \mid x) \tag{4.12}$$
#
# **Gumbel-Softmax**, for bits also called binary Concrete (Jang et al., 2017; Maddison et al., 2017). Replace the step
# by a sigmoid with temperature $\tau$, and let the gradient through:
#
# $$\tilde z = \operatorname{sigmoid} \frac{\ell + \log u - \log (1 - u)}{\tau}, \qquad u \sim \mathcal{U}(0, 1) \tag{4.13}$$
#
# **Exercise 4.3** (difficulty 1 of 3, 5 minutes). Write 4.13.
#
# <details><summary>Hint 1</summary>The logit of u, <code>u.logit()</code>, is log u - log(1 - u).</details>
# <details><summary>Hint 2</summary>The temperature divides the sum of both logits, inside the sigmoid.</details>


# %% jupyter={"source_hidden": true}
def relaxed_bits(logits, u, temperature):
    """Eq. 4.13. logits, u and the result: (batch, latent)."""
    ### BEGIN SOLUTION
    return ((logits + u.logit()) / temperature).sigmoid()
    ### END SOLUTION


relaxed_bits = lab.check("relaxed_bits", relaxed_bits)

# %% [markdown]
# A relaxed bit lies above one half exactly when $u > \operatorname{sigmoid}(-\ell)$, which has probability
# $\operatorname{sigmoid} \ell$, at any temperature. So rounding gives a proper sample of the bit. A low temperature
# pushes the values to 0 and 1; a high one lets them float between, where the model has no codes.

# %%
with lab.seeded(seed):
    noise = torch.rand(20_000, 1)
by_temperature = {t: relaxed_bits(torch.tensor([1.0]), noise, t) for t in (0.1, 0.5, 2.0)}
figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.3), sharey=True)
for axis, (temperature, bits) in zip(axes, by_temperature.items(), strict=True):
    axis.hist(bits.flatten().tolist(), bins=40, range=(0, 1), density=True)
    axis.set(title=f"τ = {temperature}", xlabel="relaxed bit")
axes[0].set(ylabel="density", yscale="log")
lab.figures.show(
    figure,
    alt="Histograms of relaxed bits with logit 1. At temperature 0.1 nearly all lie at 0 or 1, at "
    "0.5 they pile up at both ends, at 2 they form one hump in between.",
)

# %% tags=["claim"]
assert all(
    abs((bits > 0.5).float().mean() - torch.tensor(1.0).sigmoid()) < 5 * 0.5 / math.sqrt(len(bits))
    for bits in by_temperature.values()
), "rounds to q"

# %% [markdown]
# **Exercise 4.4** (difficulty 2 of 3, 7 minutes). A model was trained with relaxed bits. Compute its ELBO honestly, with
# hard bits, for a linear decoder with weights $W$ and offsets $b$, from relaxed samples and the KL of each image.
#
# <details><summary>Hint 1</summary>Round the samples first: <code>z = (relaxed > 0.5).float()</code>. Then
# <code>logits = z @ W.T + b</code>.</details>
# <details><summary>Hint 2</summary>The log-likelihood of 0/1 pixels is the sum over pixels of
# <code>x * logits - F.softplus(logits)</code>; take its mean over the samples and subtract the KL.</details>


# %% jupyter={"source_hidden": true}
def hard_elbo(relaxed, kl, x, W, b):
    """relaxed: (L, batch, latent), kl: (batch,), x: (batch, pixels). Returns (batch,) in nats."""
    ### BEGIN SOLUTION
    logits = (relaxed > 0.5).float() @ W.T + b
    return (x * logits - F.softplus(logits)).sum(-1).mean(0) - kl
    ### END SOLUTION


hard_elbo = lab.check("hard_elbo", hard_elbo)

# %% [markdown]
# ## 6 Each estimator against the truth
#
# The error of an estimator $\hat\nabla$ has two parts, and averaging over a batch of images removes one of them only:
#
# $$\mathbb{E}\,\big\|\hat\nabla - \nabla\big\|^2
#   = \underbrace{\big\|\mathbb{E}\,\hat\nabla - \nabla\big\|^2}_{\text{bias}^2}
#   + \underbrace{\operatorname{tr} \operatorname{Cov} \hat\nabla}_{\text{variance}} \tag{4.14}$$
#
# We measure the gradient of the ELBO with respect to the logits of a few images, many draws each, beside the exact one by
# 4.5. An estimator needs only $g$ and a table of logits, so a table that repeats the logits of each image gives all draws
# at once. The gradient of the KL term is exact, and the same for all.


# %%
def gradients(estimator, model, x, draws):
    """Draws of the ELBO's gradient with respect to the logits of x: (draws, images, bits)."""
    logits = model.encoder(x).detach().repeat(draws, 1).requires_grad_()
    repeated = x.repeat(draws, 1)
    expected = estimator(lambda z: model.likelihood(z).log_prob(repeated), logits)
    value = (expected - lab.kl_bernoulli(logits)).sum()
    return torch.autograd.grad(value, logits)[0].view(draws, len(x), -1)


Parts = namedtuple("Parts", "bias floor spread score")


def measure(estimator, model, x, draws=1000, seed=0):
    """The parts of Eq. 4.14, relative to the exact gradient, and the largest z-score.

    Returns the bias, the norm of its standard errors, the spread (the root of the variance), z.
    """
    exact = gradients(lab.estimators.exact, model, x, 1)[0]
    undecided = model.posterior(x).variance > 0.05  # rarer events than that are not seen often
    with lab.seeded(seed):
        drawn = gradients(estimator, model, x, draws)
    difference, error = drawn.mean(0) - exact, drawn.std(0) / math.sqrt(draws)
    floor, spread = error.norm(), drawn.std(0).norm()
    bias = (difference.norm() ** 2 - floor**2).clamp(min=0).sqrt()
    score = (difference / error)[undecided].abs().max()
    relative = [(number / exact.norm()).item() for number in (bias, floor, spread)]
    return Parts(*relative, score.item())


# %% [markdown]
# Gradients change as the model learns. *Early* is a model after one epoch on 10,000 digits (or all, if there are
# fewer), *late* is the one trained above. **Predict, then run.** Which estimator has the least variance? Which of the
# biased ones is closer?

# %%
small = replace(digits, train=digits.train[:10_000], validation=digits.validation[:1_000])
with lab.seeded(seed):
    early = lab.start_at_mean(lab.BernoulliVAE(8, 100), digits.train.images)
passes = digits.pick(mnist=1, bundled=6)
train(early, lab.objectives.exact_elbo, small,
      epochs=passes, batch_size=256, learning_rate=2e-3, seed=seed)  # fmt: skip
stages = {"early": early, "late": model}
estimators = {
    "score function": lab.estimators.score_function,
    "leave-one-out": lab.estimators.leave_one_out,
    "DisARM": lab.estimators.disarm,
    "straight-through": lab.estimators.straight_through,
    "Gumbel-Softmax": lab.estimators.gumbel_softmax,
}
some = x_test[:: len(x_test) // 8][:8]
measured = {
    (name, stage): measure(estimator, one, some)
    for name, estimator in estimators.items()
    for stage, one in stages.items()
}

# %%
import time


def milliseconds(estimator, model, x):
    """One gradient of the ELBO of a batch, the fastest of five."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        lab.estimators.bits_elbo(estimator, model, x).mean().backward()
        times.append(1000 * (time.perf_counter() - start))
    model.zero_grad()
    return min(times)


# %%
print("relative to the exact gradient:    early                     late")
print("estimator           bias             spread   bias             spread   ms   largest z")
worst = {name: max(measured[name, stage].score for stage in stages) for name in estimators}
for name, estimator in estimators.items():
    row = [f"{name:17}"]
    for stage in stages:
        parts = measured[name, stage]
        row.append(f"{parts.bias:6.2f} ± {1.96 * parts.floor:5.2f} {parts.spread:8.2f} ")
    print(*row, f"{milliseconds(estimator, model, x_test[:128]):5.1f} {worst[name]:8.1f}")
unbiased = ("score function", "leave-one-out", "DisARM")
biased = ("straight-through", "Gumbel-Softmax")
spreads = {key: parts.spread for key, parts in measured.items()}

# %% tags=["claim"]
assert all((worst[name] < 5) == (name in unbiased) for name in estimators), (
    "unbiased or not, as section 5 says"
)
assert all(
    spreads["leave-one-out", stage] < spreads["score function", stage] / 10 for stage in stages
), "a baseline helps most"
assert all(spreads["DisARM", stage] < 1.1 * spreads["leave-one-out", stage] for stage in stages), (
    "DisARM needs no more"
)
assert measured["Gumbel-Softmax", "late"].bias < measured["straight-through", "late"].bias, (
    "late in training, straight-through has the larger bias"
)
assert all(spreads[name, "early"] < spreads["DisARM", "early"] for name in biased), (
    "early, the biased ones vary less"
)
if digits.source == "mnist":
    assert all(spreads["leave-one-out", "late"] < spreads[name, "late"] for name in biased), (
        "late, leave-one-out varies less than both, and so does DisARM"
    )
    assert measured["straight-through", "late"].bias > 1, "a bias larger than the gradient"
    assert measured["score function", "early"].floor > 1, "no test of the score function"

# %% [markdown]
# After each bias, ± is the norm of the 95 % half-widths of all logits: a bias far below it would not be seen. For the score
# function, early, that limit is many times the gradient itself, so its 0.00 says little; that it is unbiased we know from
# 4.9. The last column is the largest deviation from the exact gradient among 64 logits at both stages, in standard
# errors; logits of nearly certain bits are left out, since their rare events are not seen often enough. If an estimator is
# unbiased, one of at most 128 normal deviations exceeds 5 in fewer than one run in ten thousand. The biased ones fail
# that test.

# %%
palette = "black", lab.figures.ORANGE, lab.figures.BLUE, lab.figures.RED, lab.figures.GREEN
colours = dict(zip(estimators, palette, strict=True))
figure, axes = plt.subplots(1, 2, figsize=(12, 4.4), sharey=True)
for axis, stage in zip(axes, stages, strict=True):
    for height, name in enumerate(estimators):
        parts = measured[name, stage]
        seen = parts.bias > 3 * parts.floor
        style = {"color": colours[name], "markersize": 10}
        axis.plot(parts.spread, height, "o", **style)
        axis.plot(max(parts.bias, parts.floor), height, "^" if seen else "<", **style)
    axis.axvline(1, color="0.8", zorder=0)
    axis.set(xscale="log", title=f"{stage.capitalize()} in training")
    axis.set(xlabel="relative to the exact gradient")
axes[0].set(yticks=range(len(estimators)), yticklabels=estimators)
axes[0].plot([], [], "o", color="0.4", label="spread of one draw")
axes[0].plot([], [], "^", color="0.4", label="bias")
axes[0].plot([], [], "<", color="0.4", label="no bias found: at most about this")
figure.legend(loc="outside lower center", ncols=3)
figure.suptitle("A bias is seen in two, which spread least at first", fontweight="bold")
lab.figures.show(
    figure,
    alt="Spread and bias of five estimators on a logarithmic axis, early and late in training. The "
    "score function has the largest spread, then leave-one-out, then DisARM; no bias of theirs is "
    "seen. Early, straight-through and Gumbel-Softmax have the smallest spread. Both have a bias.",
)

# %% [markdown]
# The baseline does most of the work: the spread falls more than tenfold. The biased estimators vary least early in
# training. Late, on MNIST, leave-one-out and DisARM vary less than both, without the bias, and the bias of
# straight-through is larger than the gradient. A batch of 256 different images divides the noise of the mean gradient by
# about $\sqrt{256} = 16$. A bias that the images share stays. (Published code often puts $\log p(x, z) - \log q(z \mid x)$
# in the place of $g$, without an exact KL: the mean is the same, the variance is not.)
#
# **Temperature** trades one for the other. **Predict, then run.** Which way do bias and spread of Gumbel-Softmax go as
# $\tau$ falls?

# %%
temperatures = (0.1, 0.25, 0.5, 1.0, 2.0)
sweep = {
    stage: torch.tensor(
        [
            measure(partial(lab.estimators.gumbel_softmax, temperature=t), one, some, 500)[:3]
            for t in temperatures
        ]
    )
    for stage, one in stages.items()
}
figure, axes = plt.subplots(1, 2, figsize=(11.5, 3.9), sharey=True)
for axis, stage in zip(axes, stages, strict=True):
    bias, floor, spread = sweep[stage].T
    axis.loglog(temperatures, spread, "o-", color=lab.figures.BLUE, label="spread")
    seen = bias.where(bias > 3 * floor, torch.nan)
    axis.loglog(temperatures, seen, "^-", color=lab.figures.RED, label="bias, where it is seen")
    axis.loglog(temperatures, 3 * floor, ":", color="0.4", label="smallest bias that is seen")
    axis.set(title=f"{stage.capitalize()} in training", xlabel="temperature τ")
axes[0].set(ylabel="relative to the exact gradient")
axes[1].legend(loc="lower left")
figure.suptitle("A low temperature: less bias, more spread", fontweight="bold")
lab.figures.show(
    figure,
    alt="Bias and spread of Gumbel-Softmax against the temperature, early and late. The spread "
    "falls as the temperature rises, the bias grows.",
)

# %% tags=["claim"]
assert all(numbers[0, 2] > numbers[-1, 2] for numbers in sweep.values()), (
    "a low temperature has the larger spread"
)
assert all(numbers[-1, 0] > numbers[0, :2].max() for numbers in sweep.values()), (
    "a high one the larger bias"
)

# %% [markdown]
# ## 7 Training 8 bits, same budget for all
#
# The estimators now train the same network on all training digits, with two decoded codes an image and step, and
# as many epochs as the exact gradient had. The validation curves are ELBOs with **hard bits**, for all of them.
#
# **Predict, then run.** Does a lower variance, or a lower bias, win?

# %%
models, histories = {"exact gradient": model}, {"exact gradient": history}
for name, estimator in estimators.items():
    if name != "leave-one-out":  # a fifth training would take the cells too long
        models[name], histories[name] = lab.trained(
            "bernoulli_vae_8", digits, estimator=estimator.__name__
        )

# %%
print("8 bits                ELBO    log p(x)   information   seconds   (test, exact)")
results, carried = {}, {}
for name, one in models.items():
    _, carried[name] = rate_and_information(one, x_test)
    results[name] = [
        by_batches(objective, one, x_test).mean()
        for objective in (lab.objectives.exact_elbo, lab.objectives.exact_log_likelihood)
    ]
    seconds = sum(histories[name].seconds)
    bound, log_p = results[name]
    print(f"{name:17} {bound:8.2f} {log_p:11.2f} {carried[name]:13.2f} {seconds:9.0f}")
behind = {name: results["exact gradient"][0] - bound for name, (bound, _) in results.items()}

# %%
figure, axes = plt.subplots(figsize=(8.5, 4.2))
colours["exact gradient"] = lab.figures.GREY
for name, each in histories.items():
    axes.plot(range(1, len(each) + 1), [-v for v in each.validation], "o-", color=colours[name],
              label=name, markersize=5)  # fmt: skip
axes.set(xlabel="epoch", ylabel="ELBO (nats per digit)", title="Bias costs nats, noise more")
axes.xaxis.get_major_locator().set_params(integer=True)
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
lab.figures.show(
    figure,
    alt="ELBO with hard bits against the epoch for five ways to train. The exact gradient is on "
    "top, the score function lowest.",
)

# %% tags=["claim"]
assert all(bound < log_p for bound, log_p in results.values()), "with hard bits it is a bound"
assert behind["DisARM"] < 4 and behind["Gumbel-Softmax"] < 4, "these two come close to exact"
assert 2 < behind["straight-through"] < behind["score function"], "bias costs, noise costs more"
assert min(carried, key=carried.get) == "score function", "and loses the most information"
assert abs(results["straight-through"][1] - results["DisARM"][1]) < 3, "in log p(x) it keeps up"

# %% [markdown]
# DisARM and Gumbel-Softmax come within 4 nats of the exact gradient after the same number of steps. Straight-through loses
# more, and the table says where: its $\log p_\theta(x)$ is nearly that of DisARM, so the decoder is good; the gap to the
# ELBO is wide, so the encoder, which got the biased gradient, is not.
#
# **A relaxed objective is not a bound.** What Gumbel-Softmax maximised is the value that its own relaxed bits
# give. A relaxed bit holds a real number, which tells the decoder more than 0 or 1 does, while the KL still charges for
# bits only. **Predict, then run.** Can such a value exceed the exact log-likelihood of the same model, at the temperature
# of training or at another?

# %%
hard, counted_log_p = results["Gumbel-Softmax"]
print(f"ELBO with hard bits {hard:8.2f}\nlog p(x), exact     {counted_log_p:8.2f}")
relaxed = {}
for temperature in (0.1, 0.5, 1.0, 2.0):
    at_temperature = partial(lab.estimators.gumbel_softmax, temperature=temperature)
    with torch.no_grad(), lab.seeded(seed):
        values = lab.estimators.bits_elbo(at_temperature, models["Gumbel-Softmax"], x_test)
    relaxed[temperature] = values.mean()
    print(f"relaxed, τ = {temperature:3}    {relaxed[temperature]:8.2f}")

# %% tags=["claim"]
assert relaxed[0.5] > hard, "the relaxed value flatters the model"
assert max(relaxed.values()) > counted_log_p, "and can lie above log p(x): it is no bound"

# %% [markdown]
# It can. At $\tau = 0.5$, the temperature of training, the relaxed value flatters the ELBO; at a higher one it passes
# $\log p_\theta(x)$, which no lower bound can.

# %% [markdown]
# ## 8 Two hundred bits
#
# $2^{200}$ codes cannot be counted. What remains is the ELBO and the importance-weighted bound 3.11, which needs nothing
# but samples of $q$ and serves both VAEs. First the **linear** model of the literature, 784-200-784 without hidden
# layers, with two estimators and the same few epochs. Gumbel-Softmax decodes one code an image here, DisARM its pair.

# %%
contenders = {
    "Gumbel-Softmax": partial(
        lab.estimators.bits_elbo, lab.estimators.gumbel_softmax, num_samples=1
    ),
    "DisARM": partial(lab.estimators.bits_elbo, lab.estimators.disarm),
}
linear_epochs = digits.pick(mnist=3, bundled=25)
linear, linear_histories = {}, {}
for name, objective in contenders.items():
    with lab.seeded(seed):
        linear[name] = lab.start_at_mean(lab.BernoulliVAE(200, None), digits.train.images)
    linear_histories[name] = train(
        linear[name], objective, epochs=linear_epochs, batch_size=256, learning_rate=1e-2, seed=seed
    )

# %%
figure, axes = plt.subplots(figsize=(8.5, 4.2))
epochs = range(1, linear_epochs + 1)
for name, each in linear_histories.items():
    line = {"color": colours[name], "markersize": 5}
    axes.plot(epochs, [-v for v in each.validation], "o-", label=f"{name}: hard bits", **line)
its_own = [-v for v in linear_histories["Gumbel-Softmax"].train]
axes.plot(epochs, its_own, "o:", color=lab.figures.GREEN, markersize=5,
          label="Gumbel-Softmax: its own\nrelaxed objective (training)")  # fmt: skip
axes.set(xlabel="epoch", ylabel="nats per digit", title="200 bits: a relaxed objective flatters")
axes.xaxis.get_major_locator().set_params(integer=True)
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
lab.figures.show(
    figure,
    alt="Validation ELBO with hard bits of two linear models with 200 bits, and the relaxed "
    "objective of Gumbel-Softmax, which ends far above its ELBO.",
)

# %% [markdown]
# The dotted line is what one would report without a second thought: the mean of the training objective over each epoch.
# The solid line of the same colour is the ELBO at the end of the epoch, of a model trained further. Now a model with one
# hidden layer on each side, trained longer with Gumbel-Softmax.

# %%
deep, deep_history = lab.trained("bernoulli_vae_200", digits)
print(deep_history.table())

# %% [markdown]
# As in notebook 03, the ELBO uses all test digits, and the $K = 1000$ bound adds the mean gain on some of them (100, or
# 40 for the linear models); ± is the half-width of the 95 % interval of that gain.

# %%
trained = {"hidden layers, Gumbel-Softmax": deep}
trained |= {f"linear, {name}": one for name, one in linear.items()}
scores = {
    name: lab.elbo_and_gain(one, x_test, 100 if one is deep else 40)
    for name, one in trained.items()
}
print("200 bits, test                    ELBO   K = 1000 bound")
for name, (bound, gain) in scores.items():
    tight = bound.mean() + gain.mean()
    print(f"{name:30} {bound.mean():7.2f} {tight:9.2f} ± {lab.half_width(gain):.2f}")
bound_of_200, gain_of_200 = scores["hidden layers, Gumbel-Softmax"]
linear_bounds = {name: scores[f"linear, {name}"][0].mean() for name in linear}

# %% tags=["claim"]
assert bound_of_200.mean() > digits.pick(mnist=-130, bundled=-400), "below the expected nats"
assert bound_of_200.mean() + gain_of_200.mean() > digits.pick(mnist=-113, bundled=-400), (
    "below the expected nats"
)
assert all(gain.mean() > 0 for _, gain in scores.values()), "the bound with K = 1000 is tighter"
assert digits.source != "mnist" or linear_bounds["Gumbel-Softmax"] > linear_bounds["DisARM"], (
    "a short run favours it"
)

# %% [markdown]
# **Beside published numbers** (784-200-784, nats on MNIST, lower is better). Estimates of $-\log p(x)$ after 1,200 epochs: ARM
# 107.2, Concrete 107.3, REBAR 107.7 (Yin and Zhou, 2019, table 2; their released code takes 100 importance samples, learns
# the prior of the bits, and makes about 2,000 times as many updates as our linear models). Negative ELBOs: Gumbel-Softmax
# 105.0, straight-through 116.0 (Jang et al., 2017, table 1). Both train and test on one fixed binarisation; ours is drawn
# anew for each batch, which is harder to overfit. After 1,200 epochs ARM and Concrete are level; after 3, Gumbel-Softmax
# is ahead of DisARM, ARM's successor (one seed, the same learning rate for both): noise seems to cost time rather than
# the final value. `benchmarks/README.md` has longer runs of the linear model.

# %% [markdown]
# ## 9 A collapse, and how to see it coming
#
# All models above started with a decoder whose offsets give the mean training image. Here is what happens without: the
# linear model with 8 bits, the *exact* gradient, no noise to blame. **Predict, then run.** The rate rises in both runs.
# Does the information?


# %%
def watch(model, watched, data, **settings):
    """Train; R and I of the watched images at every fifth step, and the validation losses."""
    notes = []
    negative_elbo = loss_of(lab.objectives.exact_elbo)

    def loss(model, images, labels):
        notes.append(notes[-1] if len(notes) % 5 else rate_and_information(model, watched))
        return negative_elbo(model, images, labels)

    history = lab.fit(model, loss, data, validation_loss=loss_of(lab.elbo), **settings)
    return torch.tensor(notes), history.validation


# %%
with lab.seeded(seed):
    runs = {"default start": lab.BernoulliVAE(8, None)}
with lab.seeded(seed):
    runs["at the mean image"] = lab.start_at_mean(lab.BernoulliVAE(8, None), digits.train.images)
few = {"epochs": digits.pick(mnist=3, bundled=20), "batch_size": 128, "seed": seed}
notes, losses, collapse = {}, {}, {}
for name, one in runs.items():
    notes[name], losses[name] = watch(one, x_test[:500], small, learning_rate=8e-3, **few)
    bound = by_batches(lab.objectives.exact_elbo, one, x_test).mean().item()
    collapse[name] = bound, *notes[name][-1].tolist()  # ELBO, rate, information

# %%
figure, axes = plt.subplots(1, 2, figsize=(11.5, 3.9), sharey=True)
for axis, name in zip(axes, runs, strict=True):
    axis.plot(notes[name][:, 0], color=lab.figures.BLUE, label="rate")
    axis.plot(notes[name][:, 1], "--", color=lab.figures.RED, label="information")
    axis.axhline(8 * math.log(2), color="0.7", linewidth=1)
    axis.set(title=f"{name}: ELBO {collapse[name][0]:.0f}", xlabel="step")
axes[0].set(ylabel="nats per digit")
axes[0].legend(loc="center right")
lab.figures.show(
    figure,
    alt="Rate and information against the training step. Left, the default start: the rate "
    "jumps to its maximum of 5.5 nats and the information stays near zero. Right, it starts at the "
    "mean image: the information rises with the rate.",
)

# %%
p = digits.train.images.mean(0).clamp(1e-3, 1 - 1e-3)
pixels = Independent(Bernoulli(p), 1).log_prob(x_test).mean().item()
lost, kept = collapse.values()
print(f"independent pixels            {pixels:8.1f} nats")
print(f"collapsed: ELBO + rate        {lost[0] + lost[1]:8.1f}, information {lost[2]:.2f} nats")
print(f"started at the mean: ELBO     {kept[0]:8.1f}, information {kept[2]:.2f} nats")

# %% tags=["claim"]
assert all(curve[-1] < curve[0] for curve in losses.values()), (
    "the loss falls, with a collapse or without"
)
assert abs(lost[0] + lost[1] - pixels) < 10, "a decoder that knows one image"
assert lost[2] < kept[2] / 3, "and a code that tells next to nothing"
assert kept[2] > 2 and kept[0] > lost[0] + 20, "the same network, another start"

# %% [markdown]
# At the default start the decoder makes about half of all pixels black. Within some 50 steps the rate is
# nearly the highest possible and the information nearly zero: all images share one code. What the decoder knows is one
# image, and the ELBO nears that of independent pixels, about $-206$ nats on MNIST, minus the wasted rate. More training
# mends little, and late: with 20 epochs in place of 3, the information is still 0.01 nats at step 960 and ends at 0.57,
# 0.62 and 0.84, for three seeds (`benchmarks/README.md`, 25 November 2026).
#
# Notebook 03 showed the other collapse, a rate of zero. In the picture both runs begin alike: the rate rises and
# the information does not. In the healthy one the information then follows; in a collapse it **stays near zero** while the
# loss falls as if nothing were wrong. The rate alone does not tell. With 200 bits the information cannot be
# counted; the spread of $\operatorname{sigmoid} \ell_j(x)$ over images stands in for it.

# %% [markdown]
# ## 10 What the bits mean
#
# A model with 8 bits can be shown in full. Rows count the first four bits, columns the last four.

# %%
with torch.no_grad():
    codebook = model.likelihood(codes).mean
lab.figures.show(
    lab.figures.tiles(codebook, 16, title="All 256 codes, decoded"),
    alt="A 16 by 16 table of decoded digits, one for each code of 8 bits. Most are readable "
    "digits; codes two columns apart are often the same digit in another style.",
)

# %% [markdown]
# **Flip one bit.** A test digit, the decoded code, and the same code with each of its bits flipped in turn.
# The hidden layer lets the meaning of a bit depend on the others: the same flip does not do the same everywhere.

# %%
chosen = x_test[[0, 1, 2, 4]]
with torch.no_grad():
    code = (model.posterior(chosen).mean > 0.5).float()
    flipped = (code[:, None] - torch.eye(8)).abs()
    rows = torch.cat([torch.cat([x[None], model.likelihood(torch.cat([c[None], f])).mean])
                      for x, c, f in zip(chosen, code, flipped, strict=True)])  # fmt: skip
lab.figures.show(
    lab.figures.digit_grid(
        rows,
        captions=["digit", "code"] + [f"bit {j}" for j in range(1, 9)] + [""] * 30,
        title="One flip can change the style or the digit",
    ),
    alt="Four rows: a binary digit, its decoded code, and eight decoded codes that differ from it "
    "in one bit. Some flips change the style, others the class.",
)

# %% [markdown]
# **Hamming neighbours.** Codes that differ in few bits should decode to images that differ little. The first picture
# averages over all pairs of codes. The second asks how many codes the test digits use, by their average
# posterior $q(z)$.

# %%
apart = torch.cdist(codes, codes, p=1).long()
different = torch.cdist(codebook, codebook, p=1) / 784
by_distance = torch.stack([different[apart == d].mean() for d in range(9)])
q_z = log_posterior(model, codes, x_test).exp().mean(1).sort(descending=True).values
effective = (-(q_z * q_z.clamp(min=1e-30).log()).sum()).exp().item()
figure, axes = plt.subplots(1, 2, figsize=(11.5, 3.8))
axes[0].plot(by_distance, "o-")
axes[0].set(xlabel="bits that differ", ylabel="mean difference of a pixel", ylim=(0, None))
axes[0].set(title="Near codes, similar images")
axes[1].bar(range(256), q_z, width=1.0)
axes[1].axhline(1 / 256, color="black", linestyle="--", label="all codes alike")
axes[1].set(xlabel="code, sorted", ylabel="average posterior q(z)")
axes[1].set(title=f"Used like {effective:.0f} equal codes")
axes[1].legend()
lab.figures.show(
    figure,
    alt="Left: the difference of decoded images grows with the number of bits in which codes "
    "differ. Right: the 256 codes sorted by use, some used several times as often as others.",
)

# %% tags=["claim"]
assert (by_distance.diff()[:4] > 0).all(), "up to four bits, more bits mean more change"
assert 32 < effective < 256, "many codes are used, not all alike"

# %% [markdown]
# **How many of the 200 bits are used?** For the larger model we count where the posterior mean, here a probability, varies
# over the test set with a standard deviation above 0.1. The threshold is a convention, from notebook 03.

# %%
with torch.no_grad():
    q = deep.posterior(x_test).base_dist
    by_bit = kl_divergence(q, Bernoulli(logits=torch.zeros(200)).expand(q.batch_shape)).mean(0)
active = q.mean.var(0) > 0.01
print(
    f"{int(active.sum())} of 200 bits are active; together they cost {by_bit.sum():.1f} nats, "
    f"{by_bit[active].sum() / by_bit.sum():.0%} of it in active ones"
)

# %% tags=["claim"]
assert active.sum() > 20, "no collapse: many bits tell images apart"

# %%
with torch.no_grad(), lab.seeded(seed):
    likelihood = deep.likelihood(deep.prior.sample((10,)))
    rows = torch.cat([likelihood.mean, likelihood.sample()])
lab.figures.show(
    lab.figures.digit_grid(
        rows, row_labels=("means", "samples"), title="New digits from 200 fair coins"
    ),
    alt="Ten decoder means for codes drawn from the prior, some of them digits and some not, and a "
    "binary sample from each.",
)

# %% [markdown]
# **Try it.** Each button is a bit of the 8-bit model; the picture follows. (Where no kernel runs, the table of all
# 256 codes above shows the same: the first four buttons choose the row, the last four the column.)

# %%
lab.widgets.bits(model, code[0])

# %% [markdown]
# ## 11 Bits or real numbers, at the same rate
#
# Which code is better, bits or a Gaussian vector? A fair comparison gives both the same network, the same training and
# the same **rate**. The rate of a Gaussian code is set by weighing the KL with $\beta$ as in 3.14; the values below were
# chosen on validation digits, so that the rate comes near that of the 8 bits. All are scored with $\beta = 1$.
#
# **Predict, then run.** 8 bits, 2 real numbers, 4 real numbers, all at about 5 nats: which has the best ELBO?


# %%
def gaussian(latent_dim, beta):
    def weighted(model, x):
        q = model.posterior(x)
        kl = kl_divergence(q, model.prior)
        return model.likelihood(q.rsample()).log_prob(x) - beta * kl

    with lab.seeded(seed):
        one = lab.start_at_mean(lab.GaussianVAE(latent_dim, 100), digits.train.images)
    train(one, weighted, **asdict(settings))  # as for 8 bits
    return one


two, four = digits.pick(mnist=(0.9, 4.4), bundled=(0.6, 3.0))
real = {"2 real numbers": gaussian(2, two), "4 real numbers": gaussian(4, four)}

# %%
rates, values = {"8 bits": rate}, {"8 bits": bound_of_8}
print("                    rate   distortion       ELBO     log p(x)")
print(
    f"8 bits           {rate:7.2f} {-bound_of_8.mean() - rate:12.2f} {bound_of_8.mean():10.2f} "
    f"  = {exact8.mean():.2f}"
)
for name, one in real.items():
    values[name], gain = lab.elbo_and_gain(one, x_test)
    with torch.no_grad():
        rates[name] = kl_divergence(one.posterior(x_test), one.prior).mean().item()
    mean = values[name].mean()
    print(
        f"{name:16} {rates[name]:7.2f} {-mean - rates[name]:12.2f} {mean:10.2f} "
        f"  > {mean + gain.mean():.2f} ± {lab.half_width(gain):.2f}"
    )

# %%
ahead = {name: (values[name] - bound_of_8).mean().item() for name in real}
print("ELBO beside that of 8 bits:", {name: f"{nats:+.1f} nats" for name, nats in ahead.items()})

# %% tags=["claim"]
assert max(rates.values()) - min(rates.values()) < digits.pick(mnist=0.5, bundled=1.0), "one rate"
assert ahead["2 real numbers"] < -5, "two dimensions lose clearly"
assert ahead["4 real numbers"] > -2, "four dimensions do not"

# %% [markdown]
# At the same price, two real numbers lose to 8 bits by far, and four of them are level by the ELBO, and ahead by the
# bound on $\log p(x)$ on MNIST. So this is no contest of bits against real numbers. What seems to count is over how many
# dimensions the same rate is spread: eight binary directions, or four noisy axes, let the decoder keep unlike digits
# apart; a plane is crowded. (One seed and a short training; the 8 bits had the exact gradient, and DisARM in section 7
# came within 4 nats of it.)

# %% [markdown]
# ## 12 The scoreboard
#
# Binarised anew in training, scored on the one fixed draw of all test digits that the notebooks share. For 8 bits
# $\log p(x)$ is exact; for 200 bits there are lower bounds only.

# %%
board.enter("Bernoulli VAE, 8 bits", exact=exact8, elbo=bound_of_8)
board.enter("Bernoulli VAE, 200 bits", elbo=bound_of_200, gain=gain_of_200, num_samples=1000)
board

# %% [markdown]
# ## Summary
#
# 1. A VAE with bits is a mixture of $2^m$ images; its KL is closed form, at most $m \log 2$, and taken from logits.
# 2. A bit as a function of its logit is a step: the average has a slope, no sample does. With few bits, count exactly.
# 3. Score function, leave-one-out and DisARM are unbiased and differ in variance; straight-through and Gumbel-Softmax are
#    biased. With 200 bits and three epochs, Gumbel-Softmax was ahead of DisARM.
# 4. Score with hard bits: a relaxed objective is no bound; at a high temperature it exceeds the exact log-likelihood.
# 5. Watch the information of the code: a rate, even the highest, can be wasted.
#
# ## Errata of the handout
#
# | where | what it says | what is right |
# | --- | --- | --- |
# | eq. 21 | $p(z \mid y)$ for the recognition model | $q(z \mid y)$ (4.2): it approximates the posterior, which does not factorise |
# | eq. 22 | called $\mathcal{L}_{\text{VAE}}$, beside an ELBO called $\mathcal{L}$ | it is the negative ELBO (4.4): a loss to minimise |
# | 0.6 | differentiating through the sampling is "problematic, unfortunately" | sections 4 to 6: why, and five ways to do it, measured against the exact gradient |
#
# ## References
#
# - Y. Bengio, N. Léonard, A. Courville. Estimating or propagating gradients through stochastic neurons for conditional
#   computation. arXiv:1308.3432, 2013.
# - Y. Burda, R. Grosse, R. Salakhutdinov. Importance weighted autoencoders. ICLR 2016.
# - Z. Dong, A. Mnih, G. Tucker. DisARM: an antithetic gradient estimator for binary latent variables. NeurIPS 2020.
# - E. Jang, S. Gu, B. Poole. Categorical reparameterization with Gumbel-Softmax. ICLR 2017.
# - W. Kool, H. van Hoof, M. Welling. Buy 4 REINFORCE samples, get a baseline for free! ICLR workshop 2019.
# - C. Maddison, A. Mnih, Y. W. Teh. The Concrete distribution: a continuous relaxation of discrete random variables. ICLR
#   2017.
# - A. Mnih, D. Rezende. Variational inference for Monte Carlo objectives. ICML 2016.
# - R. Williams. Simple statistical gradient-following algorithms for connectionist reinforcement learning. Machine
#   Learning 8, 1992.
# - M. Yin, M. Zhou. ARM: augment-REINFORCE-merge gradient for stochastic binary networks. ICLR 2019.

# %%
lab.solved("04")
