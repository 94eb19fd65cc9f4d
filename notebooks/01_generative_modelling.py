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
# # 01 Generative modelling
#
# A generative model is a probability distribution that is fitted to data. This notebook fits one in each of four ways
# that deep models use, and shows how to find out that one is wrong.
#
# **After this notebook you will be able to**
#
# - fit a density by maximum likelihood, and say which divergence that minimises;
# - tell a generative from a discriminative model;
# - fit a flow, a mixture, an energy-based model and a belief network, and name the catch of each;
# - say when the naive estimate of a marginal likelihood fails;
# - audit a model in four ways.
#
# **Time needed:** about 170 minutes, 70 of them for exercises and investigation. The cells run in about a minute on
# two cores.

# %%
import labutils as lab  # fails? python tools/doctor.py

import itertools
import math

import torch
from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.distributions import MultivariateNormal, Normal
from torch.nn import functional as F

lab.figures.use_style()
seed = 0
digits = lab.load()
print("torch ", torch.__version__)
print("data  ", digits)
print("seed  ", seed)

# %% [markdown]
# `images` are grey values from 0 (white) to 1 (black), `(N, 784)`. Inside `with lab.seeded(seed):` random numbers are
# the same each time.

# %% [markdown]
# ## 1 A map of the models
#
# A model is **generative** if it places a joint distribution over all observed dimensions of the data. The picture,
# after Goodfellow (2016), asks two questions: is there an explicit density, exact, bounded or up to a constant? And do
# samples need a Markov chain? Not every model is fitted by maximum likelihood: see the column "fitted by".

# %%
lab.figures.show(lab.diagrams.taxonomy())

# %% [markdown]
# ## 2 Maximum likelihood
#
# Let $p_\theta(x)$ be a density with parameters $\theta$. **Maximum likelihood** chooses the parameters under which the
# data, taken as independent draws from one distribution, are most probable. The expectation over that unknown
# distribution is estimated by the mean over the training set, and $\theta^*$ by the maximiser $\hat\theta$ of that
# mean:
#
# $$\theta^* = \arg\max_\theta\, \mathbb{E}_{x \sim p_{\text{data}}}\big[\log p_\theta(x)\big],
#   \qquad \hat\theta = \arg\max_\theta \frac{1}{N} \sum_{i=1}^{N} \log p_\theta(x_i) \tag{1.1}$$
#
# **The sign convention of this course:** the text maximises log-likelihoods and bounds on them; the code minimises
# losses, `loss = -log_likelihood`. Log-densities are in **nats** (natural logarithms), summed over the dimensions of an
# image, and averaged over images in one visible place.
#
# The smallest example: one number per digit, its ink (the mean grey value, in percent), under one Gaussian,
#
# $$\log p_{\mu, \sigma}(x) = -\frac{1}{2} \Big( \log 2\pi + \log \sigma^2 + \frac{(x - \mu)^2}{\sigma^2} \Big) \tag{1.2}$$
#
# **Exercise 1.1** (difficulty 1 of 3, 2 minutes). Write equation 1.2. The second parameter is `log_var`,
# $\log \sigma^2$: any real number is allowed, so that gradient steps cannot leave the valid range. (A wrong answer is
# told what is wrong with it; where to mend it is said once you have changed it, or with `fix=True` in `check`.)
#
# <details><summary>Hint 1</summary>The variance is <code>log_var.exp()</code>.</details>
# <details><summary>Hint 2</summary>Three terms, all times minus one half, one of them constant:
# <code>math.log</code> is for numbers, <code>.log()</code> for tensors.</details>


# %% jupyter={"source_hidden": true}
def gaussian_log_density(x, mean, log_var):
    """Eq. 1.2, in nats: one number for each x. All three are tensors, and broadcast."""
    ### BEGIN SOLUTION
    return -0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var.exp())
    ### END SOLUTION


gaussian_log_density = lab.check("gaussian_log_density", gaussian_log_density)

# %% [markdown]
# Gradient ascent climbs the mean log-likelihood. For one Gaussian, a closed form says where it has to arrive:
#
# $$\hat\mu = \frac{1}{N} \sum_i x_i, \qquad \hat\sigma^2 = \frac{1}{N} \sum_i (x_i - \hat\mu)^2 \tag{1.3}$$


# %%
def closed_form(x):
    """Eq. 1.3: the mean and log-variance of the most likely Gaussian."""
    return x.mean(), x.var(correction=0).log()


def ascend(x, mean, log_var, steps=300, rate=1.0):
    """Gradient ascent on Eq. 1.1 for one Gaussian. Returns the path, (steps + 1, 2)."""
    theta = torch.tensor([mean, log_var], requires_grad=True)
    path = [theta.detach().clone()]
    for _ in range(steps):
        (slope,) = torch.autograd.grad(gaussian_log_density(x, *theta).mean(), theta)
        with torch.no_grad():
            theta += rate * slope
        path.append(theta.detach().clone())
    return torch.stack(path)


ink = 100 * digits.train.images.mean(1)
best = torch.stack(closed_form(ink))
path = ascend(ink, mean=best[0].item() + 11, log_var=5.0)
print(f"gradient ascent: mean {path[-1, 0]:.3f} %, log-variance {path[-1, 1]:.4f}")
print(f"closed form    : mean {best[0]:.3f} %, log-variance {best[1]:.4f}")

# %% tags=["claim"]
assert torch.allclose(path[-1], best, atol=1e-2), "both find the same maximum"

# %% [markdown]
# The climb: the density at three points of the path over the histogram of the ink, and the mean log-likelihood over
# both parameters, with every tenth step.

# %%
means, log_vars = best[0] + torch.linspace(-11, 21, 120), torch.linspace(1.2, 6, 100)
# of the data, only their mean and variance enter the mean log-likelihood
surface = gaussian_log_density(best[0], means, log_vars[:, None])
surface -= 0.5 * (best[1] - log_vars[:, None]).exp()
figure, axes = plt.subplots(1, 2, figsize=(12, 4.2))
axes[0].hist(ink.tolist(), 60, density=True, color="0.85", ec="0.4", histtype="stepfilled")
x = best[0] + torch.linspace(-13, 27, 300)
for count, style in ((0, ":"), (60, "--"), (300, "-")):
    curve = gaussian_log_density(x, *path[count]).exp()
    axes[0].plot(x, curve, style, color=lab.figures.BLUE, label=f"after {count} steps")
axes[0].set(title="Ink of the training digits", xlabel="ink (%)", ylabel="density")
axes[0].legend()
axes[1].contourf(means, log_vars, surface, levels=torch.linspace(-7, -2.8, 15), extend="min")
axes[1].plot(*path[::10].T, "o-", color="white", markersize=5, linewidth=1)
axes[1].plot(*best, "*", color=lab.figures.ORANGE, markersize=14)
axes[1].set(title="Mean log-likelihood (dark: high)", xlabel="mean (%)", ylabel="log-variance")
lab.figures.show(
    figure,
    alt="Left: a histogram of the ink, and three Gaussians that approach it. Right: a surface "
    "with one maximum, marked by a star, and the path of gradient ascent that ends there.",
)

# %% [markdown]
# **Predict, then run.** The spread is right, the mean off by one standard deviation. How many nats per digit does that
# cost? Write a number for `...`, then try it with the sliders, and run the cell that settles it.

# %%
lab.predict("one_sigma_off", ...)
lab.widgets.gaussian_sliders(ink)

# %%
off = (best[0] + (best[1] / 2).exp(), best[1])  # by one standard deviation
cost = (gaussian_log_density(ink, *best) - gaussian_log_density(ink, *off)).mean()
lab.predict("one_sigma_off", outcome=cost)

# %% tags=["claim"]
assert abs(cost - 0.5) < 1e-3, "half a nat, whatever the data"

# %% [markdown]
# Half a nat, whatever the data: the mean of $(x - \mu)^2 / \sigma^2$ in 1.2 is 1 at the maximum, and 2 after the shift.

# %% [markdown]
# ## 3 What maximum likelihood minimises
#
# Insert $\log p_{\text{data}}(x)$ and subtract it again. The expected log-likelihood splits into a part that does not
# depend on the model, minus the entropy $H(p) = -\mathbb{E}_{x \sim p}[\log p(x)]$ of the data, and the
# Kullback-Leibler divergence $\mathrm{KL}(p\,\|\,q) = \mathbb{E}_{x \sim p}[\log p(x) - \log q(x)]$. It is never
# negative, by Jensen's inequality: $-\mathrm{KL} = \mathbb{E}_p[\log (q / p)] \le \log \mathbb{E}_p[q / p] \le 0$; and
# zero only for $p = q$:
#
# $$\mathbb{E}_{x \sim p_{\text{data}}}\big[\log p_\theta(x)\big]
#   = -H(p_{\text{data}}) - \mathrm{KL}\big(p_{\text{data}}\,\|\,p_\theta\big) \tag{1.4}$$
#
# So **maximising the likelihood minimises the KL divergence from the data to the model**.
#
# **Exercise 1.2** (difficulty 1 of 3, 6 minutes). Write the three quantities of 1.4, each by itself, for a variable
# with finitely many values: $p$ (the data) and $q$ (the model) are tables `(K,)` of positive probabilities.
#
# <details><summary>Hint 1</summary>Which distribution are all three expectations taken over?</details>
# <details><summary>Hint 2</summary>An expectation is a sum over the values, each weighted with its probability. In nats,
# the entropy of a fair coin is 0.693.</details>


# %% jupyter={"source_hidden": true}
def expected_log_likelihood(p, q):
    """The left-hand side of Eq. 1.4."""
    ### BEGIN SOLUTION
    return (p * q.log()).sum()
    ### END SOLUTION


def entropy_of(p, q):
    """H(p); q does not matter."""
    ### BEGIN SOLUTION
    return -(p * p.log()).sum()
    ### END SOLUTION


def kl(p, q):
    """KL(p || q)."""
    ### BEGIN SOLUTION
    return (p * (p / q).log()).sum()
    ### END SOLUTION


expected_log_likelihood = lab.check("likelihood_split.1", expected_log_likelihood)
entropy_of = lab.check("likelihood_split.2", entropy_of)
kl = lab.check("likelihood_split.3", kl)
with lab.seeded(seed):
    p, q = torch.rand(2, 6).double().softmax(-1)
print(f"left {expected_log_likelihood(p, q):.6f}, right {-entropy_of(p, q) - kl(p, q):.6f}")

# %% tags=["claim"]
assert abs(expected_log_likelihood(p, q) + entropy_of(p, q) + kl(p, q)) < 1e-9, "equation 1.4"

# %% [markdown]
# To see it we need data whose distribution we know: a mixture of two Gaussians, and one Gaussian as a
# model that cannot fit it. A fine grid of points turns integrals into sums (quadrature).

# %%
grid_step = 0.05
x = torch.arange(-20, 20, grid_step, dtype=torch.float64) + grid_step / 2


def divergence(log_p, log_q, step):
    """KL(p || q) of Eq. 1.4 by quadrature, in nats: log-densities on a grid (last axis)."""
    return (log_p.exp() * (log_p - log_q)).sum(-1) * step


log_data = torch.logaddexp(
    math.log(0.65) + Normal(-2.0, 0.6).log_prob(x), math.log(0.35) + Normal(2.0, 0.9).log_prob(x)
)
data = log_data.exp()
mean_grid = torch.linspace(-4, 4, 161, dtype=torch.float64)
sigma_grid = torch.linspace(0.4, 3.6, 161, dtype=torch.float64)
forward_kl, reverse_kl = torch.zeros(2, 161, 161, dtype=torch.float64)  # (mean, sigma) each
for i, mu in enumerate(mean_grid):  # all at once would take 170 MB
    log_model = Normal(mu, sigma_grid[:, None]).log_prob(x)  # (sigma, x)
    forward_kl[i] = divergence(log_data, log_model, grid_step)
    reverse_kl[i] = divergence(log_model, log_data, grid_step)

# %% [markdown]
# **Predict, then run.** The data have two modes, at -2 (the larger) and 2; the model has one. At which mean will
# maximum likelihood put it? And the divergence the other way round, $\mathrm{KL}(p_\theta \,\|\, p_{\text{data}})$?

# %%
lab.predict("mean_of_maximum_likelihood", ...)
lab.predict("mean_of_reverse_kl", ...)


# %%
def smallest(divergence):
    """The model of the grid, as (mean, sigma), at which the divergence is smallest."""
    row, column = torch.unravel_index(divergence.argmin(), divergence.shape)
    return mean_grid[row].item(), sigma_grid[column].item()


covering, picking = smallest(forward_kl), smallest(reverse_kl)
lab.predict("mean_of_maximum_likelihood", outcome=covering[0])
lab.predict("mean_of_reverse_kl", outcome=picking[0])

# %% tags=["claim"]
assert abs(covering[0] - (data * x).sum() * grid_step) < 0.05, "it matches the mean of the data"
assert abs(picking[0] + 2) < 0.1, "the reverse KL sits on one mode"

# %%
figure, axes = plt.subplots(figsize=(9, 3.6))
axes.fill_between(x, data, facecolor="0.85", edgecolor="0.4", label="data")
for (mean, sigma), name, style in (
    (covering, "maximum likelihood: KL(data, model)", "-"),
    (picking, "the other way: KL(model, data)", "--"),
):
    axes.plot(x, Normal(mean, sigma).log_prob(x).exp(), style, label=name)
axes.set(xlabel="x", ylabel="density", xlim=(-6, 6), ylim=(0, 0.85))
axes.set_title("Maximum likelihood covers, the reverse KL picks")
axes.legend(loc="upper right")
lab.figures.show(
    figure,
    alt="A density with two modes. The Gaussian of maximum likelihood is wide and covers both; "
    "that of the reverse divergence is narrow and sits on the larger mode.",
)

# %% [markdown]
# Where data fall and the model says "impossible", $\log p_\theta$ is very negative, so the best model **covers**
# all of the data: its mean is theirs (1.3), -0.6, where hardly any fall. The reverse divergence punishes such mass, and
# **picks** a mode when the modes lie far apart.

# %% [markdown]
# ## 4 Joint or conditional
#
# With features $x$ and labels $y$ there are two things to learn. A **generative** classifier models how features come
# about, here with one Gaussian for each class:
#
# $$p(x, y) = P(y)\, p(x \mid y), \qquad p(x \mid y) = \mathcal{N}(x;\ \mu_y, \Sigma_y) \tag{1.5}$$
#
# The class probabilities then follow from **Bayes' rule**:
#
# $$P(y \mid x) = \frac{P(y)\, p(x \mid y)}{\sum_{k} P(k)\, p(x \mid k)} \tag{1.6}$$
#
# A **discriminative** one, such as logistic regression, models $P(y \mid x)$ and nothing else. We give both the same
# two features: the projections of ones, fours and sevens on the first two principal components of 5,000 of them.
#
# **Exercise 1.3** (difficulty 2 of 3, 4 minutes). Write equation 1.6 with logarithms: densities of images are far
# outside the range of `exp`.
#
# <details><summary>Hint 1</summary>The numerator is a sum of logarithms; <code>log_prior</code> broadcasts.</details>
# <details><summary>Hint 2</summary>The logarithm of the denominator is <code>logsumexp</code> of the numerators over the
# classes, the last axis, with <code>keepdim=True</code> so that it broadcasts.</details>


# %% jupyter={"source_hidden": true}
def bayes_rule(log_p_x_given_y, log_prior):
    """Eq. 1.6 in logarithms: (N, classes) and (classes,) to log P(y given x), (N, classes)."""
    ### BEGIN SOLUTION
    log_joint = log_p_x_given_y + log_prior
    return log_joint - log_joint.logsumexp(-1, keepdim=True)
    ### END SOLUTION


bayes_rule = lab.check("bayes_rule", bayes_rule)

# %%
classes = torch.tensor([1, 4, 7])


def only(split):
    return split[torch.isin(split.labels, classes)]


def principal_components(images):
    """The mean (784,), and the first two principal components (784, 2) of 5,000 of them."""
    center = images.mean(0)
    _, _, components = torch.linalg.svd(images[:5_000] - center, full_matrices=False)
    return center, components[:2].T


def as_features(split):
    """Features (N, 2) and targets (N,) of the ones, fours and sevens."""
    mine = only(split)
    return (mine.images - center) @ components, torch.searchsorted(classes, mine.labels)


center, components = principal_components(only(digits.train).images)
features, target = as_features(digits.train)
test_features, test_target = as_features(digits.test)


# %%
def fit_gaussians(x, y, shared=False):
    """Eq. 1.5 by maximum likelihood: class densities, one covariance for all if `shared`.

    0.001 on the diagonal keeps the covariance of very few points invertible.
    """
    means = torch.stack([x[y == k].mean(0) for k in range(3)])
    own = [torch.cov(x[y == k].T, correction=0) for k in range(3)]
    pooled = torch.cov((x - means[y]).T, correction=0)
    covariances = torch.stack([pooled] * 3 if shared else own) + 1e-3 * torch.eye(2)
    log_prior = (torch.bincount(y, minlength=3) / len(y)).log()
    return MultivariateNormal(means, covariances), log_prior


class_density, log_prior = fit_gaussians(features, target)
logistic = LogisticRegression().fit(features, target)
by_bayes = bayes_rule(class_density.log_prob(test_features[:, None]), log_prior)
generative = (by_bayes.argmax(-1) == test_target).float().mean()
discriminative = logistic.score(test_features, test_target)
print(f"accuracy: generative {generative:.1%}, discriminative {discriminative:.1%}")

# %% [markdown]
# The same test digits, the class boundaries of both, and on the left the densities behind them (ellipses hold 95 %).
# Only the generative model can draw new points (crosses, in the colour of their class).

# %%
low, high = test_features.min(0).values - 2, test_features.max(0).values + 2
ticks = [torch.linspace(low[i], high[i], 150) for i in range(2)]
plane = torch.cartesian_prod(*ticks)
by_class = class_density.log_prob(plane[:, None])
maps = (bayes_rule(by_class, log_prior).argmax(-1), torch.from_numpy(logistic.predict(plane)))
with lab.seeded(seed):
    new = class_density.sample((8,))  # (8, classes, 2)
figure, axes = plt.subplots(1, 2, figsize=(12, 4.8), sharey=True)
colours = (lab.figures.BLUE, lab.figures.RED, lab.figures.GREY)
for axis, labels, title in zip(axes, maps, ("Class-conditional Gaussians", "Logistic regression"),
                               strict=True):  # fmt: skip
    grid = labels.view(150, 150).T
    axis.pcolormesh(*ticks, grid, cmap=ListedColormap(colours), alpha=0.15, rasterized=True)
    for k, colour in enumerate(colours):
        mine = test_features[test_target == k][:150]
        axis.scatter(*mine.T, s=10, color=colour, label=f"digit {classes[k]}")
    axis.set(title=title, xlabel="first component")
for k, colour in enumerate(colours):
    contour = by_class[:, k].view(150, 150).T
    axes[0].contour(*ticks, contour, levels=[contour.max() - 3], colors=[colour])
    axes[0].plot(*new[:, k].T, "X", color=colours[k], markeredgecolor="black", markersize=9)
axes[0].set_ylabel("second component")
axes[1].legend(loc="upper right")
lab.figures.show(
    figure,
    alt="Test digits in the plane of two features. Left: curved boundaries, an ellipse "
    "and new points for each class. Right: straight boundaries, nothing else.",
)

# %% [markdown]
# **Predict, then run.** Gaussians that share one covariance have fewer parameters, and straight boundaries. Which wins
# with 4 labelled digits per class, which with 256: "own" covariances or "shared"? The table has mean accuracies over 20
# random training sets, the same ones for both.

# %%
lab.predict("best_of_4", ...)  # "own" or "shared"
lab.predict("best_of_256", ...)


# %%
def accuracy_of_few(some, shared):
    """On test digits, of Gaussians fitted to some of the training digits."""
    few, prior = fit_gaussians(features[some], target[some], shared)
    guess = bayes_rule(few.log_prob(test_features[:, None]), prior).argmax(-1)
    return (guess == test_target).float().mean().item()


def compare(size, repeats=20):
    """Accuracies (repeats, 2) with own and with shared covariances, so many digits per class."""
    own = [(target == k).nonzero()[:, 0] for k in range(3)]
    sets = [torch.cat([o[torch.randperm(len(o))[:size]] for o in own]) for _ in range(repeats)]
    return torch.tensor(
        [[accuracy_of_few(some, shared) for shared in (False, True)] for some in sets]
    )


advantage = {}  # of own covariances, in points, and half of its paired 95 % interval
with lab.seeded(seed):
    for size in (4, 16, digits.pick(mnist=256, bundled=64)):
        found = 100 * compare(size)
        difference = found[:, 0] - found[:, 1]
        advantage[size] = difference.mean().item(), lab.half_width(difference).item()
        print(
            "{:3} per class: own {:.1f} %, shared {:.1f} %,".format(size, *found.mean(0)), end=" "
        )
        print("difference {:+.1f} ± {:.1f}".format(*advantage[size]))
best_of = {size: "own" if value > 0 else "shared" for size, (value, _) in advantage.items()}
lab.predict("best_of_4", outcome=best_of[4])
lab.predict("best_of_256", outcome=best_of[max(best_of)])

# %% tags=["claim"]
if digits.source == "mnist":
    assert advantage[4][0] + advantage[4][1] < 0 < advantage[256][0] - advantage[256][1]

# %% [markdown]
# On MNIST four digits are too few for a covariance of each class; 16 are enough, and the more flexible model wins. An
# assumption pays where data are few. Can either kind notice what it has never seen?

# %%
with lab.seeded(seed):
    noise = torch.rand(len(test_target), 784)
test_images = only(digits.test).images
strangers = {
    "negatives": 1 - test_images,
    "zeros": digits.test.images[digits.test.labels == 0],
    "noise": noise,
}


def measures(images):
    """log p(x), logistic confidence and nearness to the plane of the features: (N,) each."""
    x = (images - center) @ components
    log_p_x = (class_density.log_prob(x[:, None]) + log_prior).logsumexp(-1)
    sure = torch.from_numpy(logistic.predict_proba(x)).max(-1).values
    return log_p_x, sure, -(images - center - x @ components.T).norm(dim=1)


known = measures(test_images)
told_apart = {name: list(map(lab.auroc, known, measures(x))) for name, x in strangers.items()}
print("AUROC against test digits   log p(x)   confidence   nearness to the plane")
for name, values in told_apart.items():
    print(f"{name:24}", *(f"{value:10.2f}" for value in values))

# %% tags=["claim"]
assert min(map(min, told_apart.values())) < 0.5, "some look more familiar than digits"
assert min(values[2] for values in told_apart.values()) > 0.8, "the plane is far from all of them"
if digits.source == "mnist":
    assert told_apart["zeros"][0] < 0.5, "some have a higher p(x) than digits"
    assert told_apart["negatives"][1] < 0.5, "and logistic regression is surer of some"

# %% [markdown]
# The AUROC is the share of pairs in which the digit has the higher value; 0.5 is guessing. **A high $p(x)$ is no proof
# of a familiar $x$**: this is the density of two features, and whatever else an image has is lost in the projection.
# The distance to the plane of the features, which no density here looks at, tells all three from digits.

# %% [markdown]
# ## 5 Recipe 1: transform a simple variable
#
# Draw $z$ from a simple distribution and put it through
# a flexible function, $x = f(z)$. If $f$ is invertible, the density follows from the **change of variables**: mass is
# kept, so where $f$ stretches, the density thins.
#
# $$\log p_X(x) = \log p_Z(z) - \log \left| \frac{df}{dz}(z) \right|, \qquad z = f^{-1}(x) \tag{1.7}$$
#
# (In several dimensions the slope becomes the determinant of the Jacobian.)
#
# **Exercise 1.4** (difficulty 1 of 3, 2 minutes). Write it: `log_p_z` is $\log p_Z$ at $z$, `slope` is $df/dz$ there.
#
# <details><summary>Hint 1</summary>A slope of 2 halves the density.</details>
# <details><summary>Hint 2</summary>The slope may be negative: take <code>slope.abs()</code> first.</details>


# %% jupyter={"source_hidden": true}
def change_of_variables(log_p_z, slope):
    """Eq. 1.7: log p_X at x = f(z), in nats."""
    ### BEGIN SOLUTION
    return log_p_z - slope.abs().log()
    ### END SOLUTION


change_of_variables = lab.check("change_of_variables", change_of_variables)

# %% [markdown]
# This $f$ stretches the middle of a Gaussian. We check the density twice: it integrates to one, and fits a histogram of
# samples.


# %%
def f(z):
    return z + 1.5 * torch.tanh(2 * z)


z = torch.linspace(-5, 5, 40_001, dtype=torch.float64, requires_grad=True)
(slope,) = torch.autograd.grad(f(z).sum(), z)
x = f(z).detach()
density = change_of_variables(Normal(0.0, 1.0).log_prob(z), slope).detach().exp()
with lab.seeded(seed):
    samples = f(torch.randn(200_000, dtype=torch.float64))
edges = torch.linspace(-5, 5, 81, dtype=torch.float64)
counts = torch.histogram(samples, edges).hist
cumulative = torch.cumulative_trapezoid(density, x)
at_edges = torch.stack([cumulative[(x[1:] < edge).sum() - 1] for edge in edges])
expected = at_edges.diff() * len(samples)
z_score = (counts - expected) / expected.sqrt()
print(f"integral of the density: {torch.trapezoid(density, x):.6f}")
print(f"largest deviation of a bin: {z_score.abs().max():.1f} standard errors, of 80 bins")

# %% tags=["claim"]
assert abs(torch.trapezoid(density, x) - 1) < 1e-4
assert z_score.abs().max() < 6

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 3.8))
axes[0].plot(z.detach(), x, color=lab.figures.BLUE)
axes[0].set(title="The map stretches the middle", xlabel="z", ylabel="x = f(z)", xlim=(-3, 3))
grey = {"color": "0.85", "ec": "0.4", "histtype": "stepfilled"}
axes[1].hist(samples.tolist(), edges.tolist(), density=True, label="samples", **grey)
axes[1].plot(x, density, label="change of variables")
axes[1].set(title="One mode becomes two", xlabel="x", ylabel="density", xlim=(-5, 5))
axes[1].set_ylim(0, 0.28)
axes[1].legend(loc="upper center", ncols=2)
lab.figures.show(
    figure,
    alt="Left: an increasing curve, steep around zero. Right: a histogram with two modes, "
    "and the density by the change of variables, which follows it.",
)

# %% [markdown]
# **A flow** makes $f$ of many invertible layers with cheap determinants. A *coupling layer* (Dinh et al., 2017) shifts
# and stretches one coordinate by amounts that a network computes from the other; for $x = (x_1, x_2)$ and $z_1 = x_1$,
#
# $$z_2 = \big(x_2 - t(x_1)\big)\, e^{-s(x_1)}, \qquad \log p_X(x) = \log p_Z(z) - s(x_1) \tag{1.8}$$
#
# The $-s$ is 1.7 again, for a slope of $e^s$. The next layer does the same with the coordinates exchanged, and so on;
# the last $z$ is N(0, I).
#
# **Exercise 1.5** (difficulty 2 of 3, 6 minutes). Write the way from $x$ to $z$ through one layer, and return one
# tensor `(N, 2)` with the coordinates exchanged, $(z_2, z_1)$, for the next one.
#
# <details><summary>Hint 1</summary>Undo the shift before the stretch: the layer, from z to x, stretches first.</details>
# <details><summary>Hint 2</summary><code>x[:, 0]</code> and <code>x[:, 1]</code> are the coordinates;
# <code>torch.stack(..., -1)</code> puts two back together.</details>


# %% jupyter={"source_hidden": true}
def coupling(x, shift, log_scale):
    """Eq. 1.8, from x (N, 2) to (z_2, z_1), (N, 2); shift and log_scale (N,) are t and s of x_1."""
    ### BEGIN SOLUTION
    z_2 = (x[:, 1] - shift) * (-log_scale).exp()
    return torch.stack([z_2, x[:, 0]], -1)
    ### END SOLUTION


coupling = lab.check("coupling", coupling)


# %%
class Flow(nn.Module):
    """Coupling layers between x (N, 2) and z from N(0, I): log_prob is Eq. 1.8, layer by layer."""

    def __init__(self, layers=6, hidden=32):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(1, hidden), nn.Tanh(), nn.Linear(hidden, 2))
            for _ in range(layers)
        )
        for *_, last in self.layers:
            nn.init.zeros_(last.weight)  # starts near the identity

    def log_prob(self, x):
        log_slope = 0
        for layer in self.layers:
            shift, log_scale = layer(x[:, :1]).unbind(-1)
            log_scale = 2 * torch.tanh(log_scale / 2)  # keeps early steps from exploding
            x = coupling(x, shift, log_scale)
            log_slope = log_slope + log_scale
        return Normal(0.0, 1.0).log_prob(x).sum(-1) - log_slope


# %% [markdown]
# The data: a ring in the plane, heavier on the right. Its density is known, so that quadrature gives the entropy, the
# best that any model can reach, and the best single Gaussian. We fit by maximum likelihood to 20,000 points, and score
# 10,000 others. **Predict, then run.** How many nats above the entropy will the flow stay?

# %%
lab.predict("flow_above_entropy", ...)


# %%
def ring(x):
    """The log-density, up to a constant, of a ring of radius 2 in the plane: (..., 2) to (...,)."""
    return -4 * (x.norm(dim=-1) - 2) ** 2 + 0.5 * x[..., 0]


side = torch.arange(-4, 4, 0.05) + 0.025
cells = torch.cartesian_prod(side, side)  # the centers of cells of 0.05 by 0.05
log_ring = ring(cells).log_softmax(0) - 2 * math.log(0.05)
probability = log_ring.exp() * 0.05**2
ring_mean = probability @ cells
ring_covariance = (probability[:, None] * (cells - ring_mean)).T @ (cells - ring_mean)
best_gaussian = MultivariateNormal(ring_mean, ring_covariance)


def draw_from_ring(n):
    """Exact samples but for the size of a cell: (n, 2)."""
    chosen = cells[torch.multinomial(probability, n, replacement=True)]
    return chosen + 0.05 * (torch.rand(n, 2) - 0.5)


def kl_from_ring(log_q):
    """KL(ring || q) by quadrature, in nats; log_q: at the cells."""
    return (probability * (log_ring - log_q)).sum().item()


# %%
with lab.seeded(seed):
    ring_train, ring_test = draw_from_ring(20_000), draw_from_ring(10_000)
    flow = Flow()
    optimizer = torch.optim.Adam(flow.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=1_000)
    for _ in range(1_000):
        batch = ring_train[torch.randint(len(ring_train), (1_000,))]
        loss = -flow.log_prob(batch).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()

# %%
with torch.no_grad():
    flow_loss = -flow.log_prob(ring_test)
    flow_kl = kl_from_ring(flow.log_prob(cells))
flow_nats, half = flow_loss.mean().item(), lab.half_width(flow_loss)
ring_entropy = -(probability * log_ring).sum().item()
gaussian_nats = -best_gaussian.log_prob(ring_test).mean().item()
print(f"entropy {ring_entropy:.3f}; minus log-likelihood of held-out points, nats per point:")
print(f"  best Gaussian {gaussian_nats:.3f}, flow {flow_nats:.3f} ± {half:.3f}")
print(f"by quadrature (Eq. 1.4) the flow stays {flow_kl:.3f} above the entropy")
lab.predict("flow_above_entropy", outcome=flow_kl)

# %% tags=["claim"]
assert flow_nats - ring_entropy < 0.05 and flow_kl < 0.05, "the flow is nearly the density"
assert gaussian_nats - ring_entropy > 0.5, "one Gaussian is not"

# %% [markdown]
# A few smooth layers leave a scar where they open a hole: see the gap in the flow's ring in the picture of section 7.
#
# **The catch.** $f$ has to be invertible, with a determinant that can be computed. And if $x$ has more dimensions than
# $z$, the samples lie on a thin surface of volume zero: there is no density at all. With noise of standard deviation
# $s$ there is one. **Predict, then run:** by how many nats does the log-density of the model's own samples change when
# a curve in the plane gets ten times less noise?

# %%
lab.predict("ten_times_less_noise", ...)


# %%
def curve(z):
    """From one dimension into two."""
    return torch.stack([z, torch.sin(2 * z)], -1)


def log_density(x, f, noise, nodes, log_weight):
    """Eq. 1.9 by quadrature, for z in one dimension: x (N, d) to (N,), in nats.

    nodes (M,): a grid of z; log_weight (M,): the log of N(z; 0, 1) times the grid's step.
    """
    given_z = Normal(f(nodes)[:, None], noise).log_prob(x).sum(-1)  # (M, N)
    return (given_z + log_weight[:, None]).logsumexp(0)


nodes = torch.arange(-6, 6, 0.002, dtype=torch.float64)
log_weight = Normal(0.0, 1.0).log_prob(nodes) + math.log(0.002)
with lab.seeded(seed):
    z_on, deviation = torch.randn(200).double(), torch.randn(200, 2).double()
own_samples = {
    s: log_density(curve(z_on) + s * deviation, curve, s, nodes, log_weight).mean().item()
    for s in (0.1, 0.03, 0.01)
}
print("mean log-density:", ", ".join(f"noise {s}: {v:.2f}" for s, v in own_samples.items()))
lab.predict("ten_times_less_noise", outcome=own_samples[0.01] - own_samples[0.1])

# %% tags=["claim"]
assert abs(own_samples[0.01] - own_samples[0.1] - math.log(10)) < 0.05

# %% [markdown]
# It grows by log 10 = 2.3 for the one direction across the curve, without end: such numbers compare noises, not models.
# A decoder from 20 numbers to 784 pixels, used without noise as in a GAN, gives samples and no likelihood.

# %% [markdown]
# ## 6 Recipe 2: mix a simple family
#
# Let $x$ given $z$ have a simple distribution whose parameters are a flexible function of $z$, and
# average over $z$. With Gaussian noise of variance $s^2$,
#
# $$z \sim \mathcal{N}(0, I), \quad x \mid z \sim \mathcal{N}\big(f(z),\, s^2 I\big), \qquad
#   p(x) = \int \mathcal{N}\big(x;\ f(z),\, s^2 I\big)\, \mathcal{N}(z;\ 0, I)\, dz \tag{1.9}$$
#
# The marginal is a mixture of infinitely many Gaussians: it exists whatever $f$ is. The integral can be replaced by a
# sum over a grid, or estimated with samples $z_k$ from the prior, **naive Monte Carlo**:
#
# $$p(x) \approx \frac{1}{K} \sum_{k=1}^{K} p(x \mid z_k), \qquad z_k \sim p(z) \tag{1.10}$$


# %%
def marginal(log_p_x_given_z):
    """Eq. 1.10 in logarithms: (K, N) to log p(x), (N,), in nats."""
    return log_p_x_given_z.logsumexp(0) - math.log(len(log_p_x_given_z))


x = torch.arange(-7, 7, 0.04, dtype=torch.float64)
by_quadrature = log_density(x[:, None], lambda z: f(z)[:, None], 0.5, nodes, log_weight)
with lab.seeded(seed):
    z = torch.randn(20_000, dtype=torch.float64)
by_samples = marginal(Normal(f(z)[:, None], 0.5).log_prob(x))
print(f"integral of the density {by_quadrature.exp().sum() * 0.04:.5f}")
error = (by_samples.exp() - by_quadrature.exp()).abs().max()
print(f"largest difference of Monte Carlo, K = 20,000: {error:.4f}")

# %% tags=["claim"]
assert (by_quadrature.exp().sum() * 0.04 - 1).abs() < 1e-3, "the density integrates to one"
assert error < 0.01, "both routes agree"

# %% [markdown]
# **The catch.** Does Monte Carlo survive in many dimensions? To know the truth we need a model whose integral can be
# done: if $f$ is linear, $f(z) = \mu + W z$, then $x$ is Gaussian (probabilistic PCA; Tipping and Bishop, 1999):
#
# $$p(x) = \mathcal{N}\big(x;\ \mu,\ W W^\top + s^2 I\big) \tag{1.11}$$
#
# We fit it to all training digits by maximum likelihood, treating grey pixels as real numbers, with $m$ latent
# dimensions, and estimate the density of test digits with $K$ samples from the prior.
#
# **Predict, then run.** With $K$ = 10,000, up to which $m$ of 1, 2, 5, 10, 20, 50 is the estimate within a nat?

# %%
mean = digits.train.images.mean(0).double()
covariance = torch.cov(digits.train.images.T, correction=0).double()
values, vectors = torch.linalg.eigh(covariance)


def linear_model(values, vectors, m):
    """W (784, m) and s of Eq. 1.11 by maximum likelihood: the leading eigenvectors.

    values (784,), ascending, and vectors (784, 784): of the covariance of the data.
    """
    s2 = values[:-m].mean()
    return vectors[:, -m:] * (values[-m:] - s2).sqrt(), s2.sqrt()


def shortfall(x, mean, W, s, seed, K):
    """Nats by which Eq. 1.10 with K samples falls short of Eq. 1.11, the mean over x (N, 784)."""
    exact = MultivariateNormal(mean, W @ W.T + s**2 * torch.eye(784)).log_prob(x)
    with lab.seeded(seed):
        z = torch.randn(K, W.shape[1], dtype=torch.float64)
    parts = [torch.cdist(part @ W.T, x - mean) for part in z.split(1_000)]  # 6 MB each
    log_p = -0.5 * torch.cat(parts).square() / s**2
    log_p -= 784 * (s.log() + 0.5 * math.log(2 * math.pi))
    return (exact - marginal(log_p)).mean().item()


def posterior_kl(x, mean, W, s):
    """KL(p(z given x) || p(z)) of Eq. 1.11, the mean over x (N, 784), in nats."""
    precision = torch.eye(W.shape[1]) + W.T @ W / s**2
    posterior = MultivariateNormal(
        (x - mean) @ W / s**2 @ precision.inverse(), precision_matrix=precision
    )
    prior = MultivariateNormal(torch.zeros(W.shape[1]).double(), torch.eye(W.shape[1]).double())
    return torch.distributions.kl_divergence(posterior, prior).mean().item()


# %%
lab.predict("largest_m_within_a_nat", ...)  # 1, 2, 5, 10, 20 or 50

# %%
dimensions, sample_sizes = (1, 2, 5, 10, 20, 50), (100, 1_000, 10_000)
few = digits.test.images[:50].double()
needed, short = {}, {}
for m in dimensions:
    W, s = linear_model(values, vectors, m)
    needed[m] = posterior_kl(few, mean, W, s)
    for K in sample_sizes:
        short[m, K] = shortfall(few, mean, W, s, seed, K)
    print(f"m = {m:2}: KL {needed[m]:5.1f} nats; short by {short[m, 10_000]:6.1f} with K = 10,000")
within = [m for m in dimensions if short[m, 10_000] < 1]
lab.predict("largest_m_within_a_nat", outcome=max(within))

# %% [markdown]
# The shortfall:

# %%
figure, axes = plt.subplots(figsize=(8, 3.8))
for K, marker in zip(sample_sizes, "^so", strict=True):
    beyond = [needed[m] - math.log(K) for m in dimensions]
    axes.plot(beyond, [short[m, K] for m in dimensions], marker, label=f"K = {K:,}")
axes.axvline(0, color="0.7", linewidth=1)
axes.set(xlabel="KL(posterior, prior) - log K (nats)", ylabel="nats below the truth")
axes.set(yscale="symlog", title="Monte Carlo needs log K well above the KL")
axes.set(ylim=(-0.5, 2_000), yticks=(0, 1, 10, 100, 1_000), yticklabels=(0, 1, 10, 100, 1_000))
axes.legend()
lab.figures.show(
    figure,
    alt="Shortfall of the naive estimate against KL minus log K, for three K: near zero "
    "from two nats left of zero on, and steeply rising to the right of it.",
)

# %% tags=["claim"]
assert abs(short[1, 10_000]) < 0.1 and short[50, 10_000] > 50, "good in one dimension, not in 50"
if digits.source == "mnist":
    assert all(abs(short[m, K]) < 0.5 for m, K in short if needed[m] < math.log(K) - 1), (
        "where log K exceeds the KL by a nat, in these pairs"
    )
assert all(short[m, K] > 1 for m, K in short if needed[m] > math.log(K) + 3), "and no longer"

# %% [markdown]
# Why there? Samples matter where the posterior $p(z \mid x)$ is, and there $p(z \mid x) / p(z) = p(x \mid z) / p(x)$ is
# about $e^{\mathrm{KL}}$: the posterior fills about $e^{-\mathrm{KL}}$ of the prior. Of $K$ draws from the prior, about
# $K e^{-\mathrm{KL}}$ hit it (Chatterjee and Diaconis, 2018). The estimate 1.10 is unbiased for $p(x)$ at any $K$, and
# yet, unless $\log K$ exceeds the KL by some nats, nearly always too small. For $m = 50$ one needs about $e^{93}$. One has to draw
# $z$ from the posterior, in general unknown. **Notebook 03 takes that up.**

# %% [markdown]
# ## 7 Recipe 3: an unnormalised log-density
#
# Let a flexible function $f_\theta$ say how plausible each $x$ is, and normalise:
#
# $$p_\theta(x) = \frac{\exp f_\theta(x)}{Z_\theta}, \qquad Z_\theta = \int \exp f_\theta(x)\, dx < \infty \tag{1.12}$$
#
# Any function for which the integral is finite will do. ($Z_\theta$ is a number that depends on $\theta$, not a latent
# variable.) In one and two dimensions quadrature gives it.


# %%
def log_normaliser(values, volume):
    """log Z of Eq. 1.12 by quadrature: f at the points of a grid, and the volume of a cell."""
    return values.logsumexp(0) + math.log(volume)


for width in (4, 8, 16):
    x = torch.arange(-width, width, 0.01, dtype=torch.float64) + 0.005
    finite, not_finite = (log_normaliser(v, 0.01) for v in (2 * x**2 - x**4 / 2, x**2 / 4))
    print(f"up to ±{width:2}: log Z {finite:7.4f} for two hills, {not_finite:6.2f} for x² / 4")

# %% tags=["claim"]
assert abs(log_normaliser(-(x**2) / 2, 0.01) - 0.5 * math.log(2 * math.pi)) < 1e-6, (
    "the Gaussian's Z is known"
)

# %% [markdown]
# The second integral grows without end: $\exp(x^2 / 4)$ is no density.
#
# **Sampling.** The gradient of $\log p$ does not contain $Z$. *Langevin dynamics* follows it uphill, with noise:
#
# $$x_{t+1} = x_t + \eta\, \nabla f(x_t) + \sqrt{2 \eta}\; \varepsilon_t, \qquad \varepsilon_t \sim \mathcal{N}(0, I) \tag{1.13}$$
#
# If $\nabla f$ grows at most linearly, then for small $\eta$ and many steps $x_t$ is distributed almost as $p$ (Roberts
# and Tweedie, 1996).
#
# **Exercise 1.6** (difficulty 1 of 3, 2 minutes). Write one step.
#
# <details><summary>Hint 1</summary>Uphill: the gradient is added.</details>
# <details><summary>Hint 2</summary>The noise is scaled with the square root of twice the step:
# <code>math.sqrt(2 * step)</code>, since the step is a Python number.</details>


# %% jupyter={"source_hidden": true}
def langevin_step(x, gradient, step, noise):
    """Eq. 1.13: the next x, from the gradient of f at x and noise from N(0, I)."""
    ### BEGIN SOLUTION
    return x + step * gradient + math.sqrt(2 * step) * noise
    ### END SOLUTION


langevin_step = lab.check("langevin_step", langevin_step)

# %% [markdown]
# The ring again. 5,000 chains start at random. *Total variation* compares the histogram of where they end with the
# density: 0 if they agree, 1 if they have nothing in common; the floor is that of 5,000 exact samples.


# %%
def chains(f, x, steps, step=0.02, noisy=True):
    """Langevin dynamics on exp f(x): where the chains x (N, 2) are after some steps."""
    for _ in range(steps):
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(f(x).sum(), x)
        noise = torch.randn_like(x) if noisy else torch.zeros_like(x)
        x = langevin_step(x.detach(), gradient, step, noise)
    return x


def total_variation(x):
    """Between the histogram of points (N, 2) and the ring, over cells of 0.2 by 0.2."""
    counts = torch.histogramdd(x.clamp(-3.99, 3.99), [40, 40], range=[-4.0, 4.0] * 2).hist
    wanted = probability.view(40, 4, 40, 4).sum((1, 3))
    return 0.5 * (counts / len(x) - wanted).abs().sum().item()


with lab.seeded(seed):
    start = 3 * torch.randn(5_000, 2)
    ends = {steps: chains(ring, start, steps, 0.01) for steps in (10, 100, 1_000)}
    silent = chains(ring, start, 1_000, 0.01, noisy=False)
    floor = total_variation(draw_from_ring(5_000))
for steps, x in ends.items():
    print(f"distance after {steps:5,} steps: {total_variation(x):.3f}")
print(f"exact samples (floor)     : {floor:.3f}")
print(f"without the noise         : {total_variation(silent):.3f}")

# %% tags=["claim"]
assert total_variation(ends[1_000]) < 1.3 * floor, "Langevin samples are nearly exact ones"
assert total_variation(silent) > 3 * floor, "without noise, the chains only climb"

# %% [markdown]
# **Fitting.** A likelihood needs $Z_\theta$, its gradient does not. Since $\nabla \log Z_\theta = \frac{1}{Z_\theta}
# \int \nabla f_\theta(x)\, e^{f_\theta(x)} dx = \mathbb{E}_{p_\theta}[\nabla f_\theta]$, we have $\nabla \log
# p_\theta(x) = \nabla f_\theta(x) - \mathbb{E}_{x' \sim p_\theta}[\nabla f_\theta(x')]$: push $f$ up at the data, and
# down at the model's own samples. Ten Langevin steps from data stand in for these (*contrastive divergence*; Hinton,
# 2002). Once both look alike, the pushes cancel.
#
# **Exercise 1.7** (difficulty 2 of 3, 4 minutes). Write a loss whose gradient in $\theta$ is that of $-\log p_\theta$,
# averaged over the data. (Its value is not: it lacks $\log Z$.)
#
# <details><summary>Hint 1</summary>Losses are minimised: which of the two terms has to fall?</details>
# <details><summary>Hint 2</summary>Both expectations are means over a batch, and the batches may differ in size.</details>


# %% jupyter={"source_hidden": true}
def energy_loss(f_of_data, f_of_samples):
    """Has the gradient of minus the log of Eq. 1.12; f at data (N,) and at samples (M,)."""
    ### BEGIN SOLUTION
    return f_of_samples.mean() - f_of_data.mean()
    ### END SOLUTION


energy_loss = lab.check("energy_loss", energy_loss)


# %%
class Energy(nn.Module):
    """f of Eq. 1.12: a network with one hidden layer; -|x|² / 4 makes the integral finite."""

    def __init__(self, hidden=64):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, hidden), nn.SiLU(), nn.Linear(hidden, 1))

    def forward(self, x):
        return self.net(x)[..., 0] - x.square().sum(-1) / 4


def fit_energy(noisy=True, steps=800):
    """An energy fitted to the ring; its samples: ten Langevin steps that begin at data."""
    energy = Energy()
    optimizer = torch.optim.Adam(energy.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-2, total_steps=steps)
    for _ in range(steps):
        batch = ring_train[torch.randint(len(ring_train), (250,))]
        samples = chains(energy, batch, 10, noisy=noisy)
        loss = energy_loss(energy(batch), energy(samples))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return energy


# %% [markdown]
# **Predict, then run.** The same fit, with the noise of the Langevin steps left out: is its KL from the ring larger or
# smaller than that of the best Gaussian?

# %%
lab.predict("kl_without_noise", ...)  # "larger" or "smaller"

# %%
with lab.seeded(seed):
    energies = {"with noise": fit_energy(), "without noise": fit_energy(noisy=False)}
log_q = {"best Gaussian": best_gaussian.log_prob(cells)}
wide = torch.cartesian_prod(*[torch.arange(-8, 8, 0.05) + 0.025] * 2)  # a flat f goes far
with torch.no_grad():
    for name, energy in energies.items():
        log_q[name] = energy(cells) - log_normaliser(energy(wide), 0.05**2)
kls = {name: kl_from_ring(values) for name, values in log_q.items()}
print("KL from the ring, nats:", ", ".join(f"{name} {kl:.3f}" for name, kl in kls.items()))
larger = kls["without noise"] > kls["best Gaussian"]
lab.predict("kl_without_noise", outcome="larger" if larger else "smaller")

# %% [markdown]
# The densities:

# %% tags=["figure"]
figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), sharey=True)
with torch.no_grad():
    log_flow = flow.log_prob(cells)
shown = {
    "ring": log_ring,
    "flow": log_flow,
    "energy": log_q["with noise"],
    "no noise": log_q["without noise"],
}
for axis, (name, values) in zip(axes, shown.items(), strict=True):
    axis.imshow(values.exp().view(160, 160).T, origin="lower", extent=(-4, 4, -4, 4), vmax=0.19)
    axis.set(title=f"{name}: KL {kl_from_ring(values):.2f}", xlabel="$x_1$")
axes[0].set(title="The density", ylabel="$x_2$")
lab.figures.show(
    figure,
    alt="Four densities in the plane: a ring, darker on the right; the flow, nearly the same "
    "with a thin gap; the energy-based model, nearly the same; and one fitted without noise, "
    "which is flat.",
)

# %% tags=["claim"]
assert kls["with noise"] < 0.05 and kls["best Gaussian"] > 0.5
assert kls["without noise"] > 0.5, "chains that only climb are not samples"

# %% [markdown]
# Chains that only climb end where $f$ is higher than at the data, so that the loss pushes every hill down: $f$ becomes
# nearly flat. The code runs as before: compare densities, or samples with data.
#
# **The catch.** The fit gave $f$, but a likelihood needs $Z$. For images, a grid with only two values per pixel has
# this many points:

# %%
# NBVAL_CHECK_OUTPUT
points = 2**784
print(f"2 to the 784 is a number of {len(str(points))} digits")
years = math.log10(points) - 9 - math.log10(365 * 24 * 3600)
print(f"at a billion points per second: about 10 to the {years:.0f} years")

# %% [markdown]
# Where modes lie far apart, chains take very long to get from one to the other.

# %% [markdown]
# ## 8 The scoreboard starts
#
# The thread through this course is the log-likelihood of the same binarised test digits, in nats per image. Each pixel
# is drawn once as 0 or 1, with its grey value as the probability and a fixed seed. A log-probability of binary data is
# never positive, and $-\log_2 p(x)$ is the number of bits that an ideal code needs for the image.
#
# **Bits per dimension** divide by the number of pixels, $D = 784$:
#
# $$\mathrm{bpd}(x) = -\frac{\log p(x)}{D \log 2} \tag{1.14}$$
#
# **Exercise 1.8** (difficulty 1 of 3, 2 minutes). Write equation 1.14.
#
# <details><summary>Hint 1</summary>A fair coin costs one bit: minus log one half, over log 2.</details>
# <details><summary>Hint 2</summary><code>nats</code> of binary images are negative, bits positive: flip the sign; the
# logarithm of a number is <code>math.log</code>.</details>


# %% jupyter={"source_hidden": true}
def bpd(nats):
    """Eq. 1.14: nats of a whole image to bits per pixel."""
    ### BEGIN SOLUTION
    return -nats / (784 * math.log(2))
    ### END SOLUTION


bpd = lab.check("bits_per_dimension", bpd)

# %% [markdown]
# The simplest model: **independent pixels**, each a coin of its own. It is the case $C = 1$ of a **mixture of
# Bernoullis**, which has $C$ components with weights $\pi_c$, and within each the pixels are independent:
#
# $$p(x) = \sum_{c=1}^{C} \pi_c \prod_{d=1}^{784} \theta_{cd}^{x_d} (1 - \theta_{cd})^{1 - x_d} \tag{1.15}$$
#
# The EM algorithm (Dempster et al., 1977) fits it in two steps. The E-step is Bayes' rule: $r_{ic} = p(c \mid x_i)$.
# The M-step takes weighted means, with $\alpha$ imagined black and white pixels added so that no pixel becomes
# impossible:
#
# $$\pi_c = \frac{1}{N} \sum_i r_{ic}, \qquad
#   \theta_{cd} = \frac{\alpha + \sum_i r_{ic}\, x_{id}}{2 \alpha + \sum_i r_{ic}} \tag{1.16}$$
#
# Why does that climb? For any probabilities $r_i$ of the components, since $p(x, c) = p(x)\, p(c \mid x)$,
#
# $$\log p(x_i) = \sum_c r_{ic} \log \frac{\pi_c\, p(x_i \mid c)}{r_{ic}}
#   + \mathrm{KL}\big(r_i \,\|\, p(c \mid x_i)\big) \tag{1.17}$$
#
# The first term is a lower bound. The E-step makes the KL zero: the bound touches. The M-step, with $r$ fixed,
# maximises the bound (its derivative in $\theta_{cd}$ is zero at 1.16 with $\alpha = 0$). So the likelihood never
# falls; with $\alpha$, that of real and imagined pixels.
#
# **Exercise 1.9** (difficulty 2 of 3, 8 minutes). Write the M-step for $\theta$.
#
# <details><summary>Hint 1</summary>The sum over images of r times x is one matrix product.</details>
# <details><summary>Hint 2</summary>Imagine one component and r = 1: what is the share of ink in pixel d, with alpha
# more white and alpha more black images?</details>


# %% jupyter={"source_hidden": true}
def m_step(x, r, alpha):
    """theta of Eq. 1.16, (C, D), from images x (N, D) and responsibilities r (N, C)."""
    ### BEGIN SOLUTION
    black = r.T @ x
    return (alpha + black) / (2 * alpha + r.sum(0)[:, None])
    ### END SOLUTION


m_step = lab.check("m_step", m_step)


# %%
def log_joint(x, weights, theta):
    """log of each term of Eq. 1.15: (N, C)."""
    return x @ theta.log().T + (1 - x) @ (1 - theta).log().T + weights.log()


def lower_bound(log_joint, r):
    """The first term of Eq. 1.17: (N,)."""
    return (r * (log_joint - r.log())).sum(-1)


x_small = lab.binarize(digits.train.images[:1_000], torch.Generator().manual_seed(seed + 3))
weights, theta = torch.full((10,), 0.1), 0.1 + 0.4 * x_small[:10] + 0.4 * x_small.mean(0)
em_curve, em_bounds = [], []
for _ in range(8):
    joint = log_joint(x_small, weights, theta)
    r = bayes_rule(joint - weights.log(), weights.log()).exp().clamp(min=1e-30)  # E-step
    em_curve.append(joint.logsumexp(-1).mean().item())
    em_bounds.append([lower_bound(joint, each).mean().item() for each in (r, r * 0 + 0.1)])
    weights, theta = r.mean(0), m_step(x_small, r, 0.1)
print("log-likelihood by step:", *(f"{nats:.1f}" for nats in em_curve))
print("bound, r by Bayes' rule {:.1f}, all alike {:.1f}".format(*em_bounds[-1]))

# %% tags=["claim"]
assert all(b > a - 0.01 for a, b in itertools.pairwise(em_curve)), "it never falls"
assert all(abs(bound[0] - nats) < 1e-2 for bound, nats in zip(em_bounds, em_curve, strict=True))
assert all(bound[1] < nats for bound, nats in zip(em_bounds, em_curve, strict=True))

# %% [markdown]
# `lab.BernoulliMixture.fit` takes ten such steps with $\alpha = 0.1$ on all training digits.
#
# **Predict, then run.** From 1 to 300 components: can the training log-likelihood (of 10,000 digits) turn down? And
# which size will the validation digits choose?

# %%
lab.predict("components_chosen", ...)  # 1, 10, 30, 100 or 300

# %%
board = lab.Scoreboard(digits)
x_test = board.images  # drawn once, the same in every notebook
generator = torch.Generator().manual_seed(seed + 1)
parts = digits.train.images.split(5_000)
x_train = torch.cat([lab.binarize(part, generator).bool() for part in parts])  # 37 MB, not 150
x_valid = lab.binarize(digits.validation.images, torch.Generator().manual_seed(seed + 2))
mixtures = {
    size: lab.BernoulliMixture.fit(x_train, size, seed=seed) for size in (1, 10, 30, 100, 300)
}
train_curve, valid_curve = (
    {size: mixture.log_prob(images).mean().item() for size, mixture in mixtures.items()}
    for images in (x_train[:10_000], x_valid)
)
chosen, runner_up = sorted(valid_curve, key=valid_curve.get, reverse=True)[:2]
print("components", *(f"{size:9}" for size in mixtures))
print("training  ", *(f"{nats:9.2f}" for nats in train_curve.values()))
print("validation", *(f"{nats:9.2f}" for nats in valid_curve.values()))
lab.predict("components_chosen", outcome=chosen)

# %% tags=["claim"]
assert list(train_curve.values()) == sorted(train_curve.values()), "more components, a closer fit"
assert chosen == digits.pick(mnist=300, bundled=30), digits.pick(
    mnist="on MNIST the largest mixture that we have time for is the best one",
    bundled="with few digits, a large mixture fits them too closely",
)

# %% [markdown]
# A larger mixture contains the smaller: at the maximum, the training digits cannot be less probable. After ten steps they
# might, but are not. On MNIST 300 is the largest size that we tried, from one start; on the bundled digits the validation
# row turns.

# %%
test_nats = {size: mixtures[size].log_prob(x_test) for size in (1, runner_up, chosen)}
board.enter("independent pixels", exact=test_nats[1])
board.enter(f"mixture of {chosen} Bernoullis", exact=test_nats[chosen])
board

# %% tags=["claim"]
assert all(
    math.isclose(bpd(row.tightest.nats), lab.bits_per_dimension(row.tightest.nats), rel_tol=1e-4)
    for row in board.rows
), "bits per dimension by hand and by labutils"
if digits.source == "mnist":
    assert abs(test_nats[1].mean() + 206) < 1, "about -206 nats"

# %% [markdown]
# Does the chosen mixture really beat the runner-up? The ± treats a row alone, but both models saw the **same** digits. A *paired*
# bootstrap (Efron, 1979) draws test digits with replacement and looks at the mean difference.

# %%
difference, lower, upper = lab.paired_bootstrap(test_nats[chosen], test_nats[runner_up])
separate = lab.half_width(test_nats[chosen], test_nats[runner_up]).item()
print(f"{chosen} against {runner_up} components: {difference:.2f} nats better")
print(f"95 % interval, paired : {lower:.2f} to {upper:.2f}")
print(f"as if not paired      : {difference - separate:.2f} to {difference + separate:.2f}")

# %% tags=["claim"]
assert upper - lower < separate, "pairing more than halves the interval"

# %% [markdown]
# The interval is about **which test digits** were drawn, not about where EM started.

# %% [markdown]
# ## 9 The chain rule
#
# No recipe is needed to write *any* distribution over pixels: in any fixed order, the product of conditionals is exact.
#
# $$\begin{gathered}p(x) = \prod_{d=1}^{784} p(x_d \mid x_1, \ldots, x_{d-1}), \\
#   p(x_d = 1 \mid x_{<d}) = \operatorname{sigmoid}\Big(b_d + \sum_{j < d} W_{dj}\, x_j\Big)\end{gathered}\tag{1.18}$$
#
# The second half is a model: each pixel is a logistic regression on those before it, the **fully visible belief
# network** (Frey, 1998). All 784 of them are one matrix, whose upper triangle and diagonal are masked.
#
# **Exercise 1.10** (difficulty 1 of 3, 4 minutes). Write the logits of all pixels at once.
#
# <details><summary>Hint 1</summary>What may pixel d see of itself? <code>tril</code> keeps a triangle, and its argument
# says which.</details>
# <details><summary>Hint 2</summary>Row d of the matrix holds the weights of pixel d: transpose it.</details>


# %% jupyter={"source_hidden": true}
def belief_logits(x, weight, offset):
    """Logits of Eq. 1.18: images x (N, D), weight (D, D), of which a part counts, offset (D,)."""
    ### BEGIN SOLUTION
    return x @ weight.tril(-1).T + offset
    ### END SOLUTION


belief_logits = lab.check("belief_logits", belief_logits)

# %% [markdown]
# **Predict, then run.** On MNIST independent pixels reach -206 nats, the mixture -129. And a linear model of each pixel
# given those before it, without anything latent? (Its settings are in `recipes.py`: batches of 250, Adam, one cycle to
# 3e-2, five epochs, chosen on validation digits.)

# %%
lab.predict("belief_network_nats", ...)

# %%
belief, history = lab.trained("belief_network", digits)
with torch.no_grad():
    belief_nats = torch.cat([belief.log_prob(part) for part in x_test.split(1_000)])
    logits = belief_logits(x_test[:1_000], belief.weight, belief.offset)
by_hand = (x_test[:1_000] * logits - F.softplus(logits)).sum(-1)
board.enter("belief network", exact=belief_nats)
lab.predict("belief_network_nats", outcome=belief_nats.mean())
board

# %% tags=["claim"]
assert torch.allclose(by_hand, belief_nats[: len(by_hand)], rtol=1e-4), (
    "the exercise is what labutils computes"
)
if digits.source == "mnist":
    assert abs(belief_nats.mean() + 97.5) < 0.5, "-97.5 nats, on one seed"
assert belief_nats.mean() > test_nats[chosen].mean() + 5, "far above the mixture"

# %%
with lab.seeded(seed):
    rows = torch.cat([
        x_test[:10], mixtures[1].sample((10,)), mixtures[chosen].sample((10,)), belief.sample(10),
    ])  # fmt: skip
names = ("test digits", "independent", "mixture", "belief network")
lab.figures.show(
    lab.figures.digit_grid(rows, row_labels=names, title="More nats need not mean nicer digits"),
    alt="Rows of ten: binary test digits; noise in the shape of a blurred blob; digits with "
    "speckles; and strokes that are smooth nearby but seldom make a digit.",
)

# %% [markdown]
# Exact, in seconds, and far above the mixture. **Why then would one want latents at all?** Look at the samples:
# neighbouring pixels agree, and the strokes seldom add up to a digit. The model has no code for an image (nothing to
# cluster or to change), its order is arbitrary, and it draws 784 pixels one after the other. Can latent variables have
# all that, and the nats too? Notebooks 03 and 04 try.

# %% [markdown]
# ## 10 Four audits
#
# A wrong model looks like a right one: the loss falls, samples appear. Four questions, asked of a case small enough
# that the answer is known, find many mistakes.
#
# | audit | how | what it found |
# | --- | --- | --- |
# | Does it **sum to one**? | enumerate a few pixels, or integrate on a grid | the 79.3 nats in karpathy/pytorch-made's README, from averaged logits |
# | Does the **sampler match the density**? | histogram or moments of many samples | the sampler of a published notebook: exercise 1.11 |
# | Is the **bound below** the exact value? | a model whose integral is known (1.11, 1.17) | a KL with its sign flipped; $\log K$ not subtracted |
# | Are the **units nats per image**? | sum over pixels, mean over images; a fair coin per pixel costs 543 nats | a KL averaged over 784 pixels: weighted by 1/784 |
#
# **The first.** A belief network may take its pixels in any order. A well-known repository averages the *logits* of
# several orders, and its score improves. Here the conditionals are exact, for 8 pixels that copy a coin, each wrong
# with probability 2 %. All 256 images can be enumerated. **Predict, then run.** What do the probabilities sum to, for
# the average of ten orders?

# %%
lab.predict("averaged_orders_sum_to", ...)

# %%
all_images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 8).double()


def log_copies(x):
    """Exact log-probability of pixels (N, k) that copy a fair coin, wrong in 2 % of cases."""
    ones, k = x.sum(-1), x.shape[-1]
    log_right, log_wrong = math.log(0.98), math.log(0.02)
    heads = ones * log_right + (k - ones) * log_wrong
    tails = ones * log_wrong + (k - ones) * log_right
    return torch.logaddexp(heads, tails) - math.log(2)


def exact_logits(order):
    """Of each pixel given those before it in the order, for all images: (256, 8)."""
    logits = torch.zeros_like(all_images)
    for place, pixel in enumerate(order):
        x = all_images[:, order[: place + 1]]
        black, white = x.clone(), x.clone()
        black[:, -1], white[:, -1] = 1, 0
        logits[:, pixel] = log_copies(black) - log_copies(white)
    return logits


def from_logits(logits):
    """Eq. 1.18's log-probability of each image from the logits of its pixels."""
    return (all_images * logits - F.softplus(logits)).sum(-1)


# %%
with lab.seeded(seed):
    orders = [torch.randperm(8) for _ in range(10)]
one_order = from_logits(exact_logits(orders[0]))
averaged = from_logits(torch.stack([exact_logits(order) for order in orders]).mean(0))
truth = log_copies(all_images)
for name, log_p in (("one order", one_order), ("ten orders, averaged", averaged)):
    score = (truth.exp() * log_p).sum()
    print(f"{name:21}: score {score:.2f} nats, sum of all probabilities {log_p.exp().sum():.2f}")
print(f"no model can score above minus the entropy, {(truth.exp() * truth).sum():.2f}")
lab.predict("averaged_orders_sum_to", outcome=averaged.exp().sum())

# %% tags=["claim"]
assert abs(one_order.exp().sum() - 1) < 1e-9, "one order sums to one"
assert averaged.exp().sum() > 1.5, "the average does not"
assert (truth.exp() * averaged).sum() > (truth.exp() * truth).sum() + 0.3, "and beats the entropy"

# %% [markdown]
# Averaged over orders, each pixel is told of neighbours on *both* sides: no chain, a sum near two, and an impossible
# score. Averaging *probabilities* of whole images is a mixture, and sums to one.
#
# **Exercise 1.11** (difficulty 2 of 3, 10 minutes). Find the mistake with the second audit, and mend it. This is how a
# published notebook draws from a mixture of Gaussians whose density has the variance $e^{\ell}$, with $\ell$ =
# `log_var`:
#
#     def draw(mean, log_var, component, noise):
#         return mean[component] + log_var[component].exp() * noise
#
# Its samples with variance $e^{\ell} = 4$ have a standard deviation of 4, and with $e^{\ell} = 1/4$ of 1/4.
#
# <details><summary>Hint 1</summary>For which variance would nobody have noticed?</details>
# <details><summary>Hint 2</summary>What are the mean and the variance of a + b * noise?</details>


# %% jupyter={"source_hidden": true}
def draw(mean, log_var, component, noise):
    """Draws (N, d) from Gaussians with mean and log_var (C, d), for a component (N,) each."""
    ### BEGIN SOLUTION
    return mean[component] + (log_var[component] / 2).exp() * noise
    ### END SOLUTION


draw = lab.check("mixture_sampler", draw)
one_component = torch.zeros(1, 1), torch.full((1, 1), math.log(4)), torch.zeros(10_000).long()
with lab.seeded(seed):
    drawn = draw(*one_component, torch.randn(10_000, 1))
print(f"10,000 draws: standard deviation {drawn.std():.2f}; of the density: 2")

# %% tags=["claim"]
assert abs(drawn.std() - 2) < 0.1, "the sampler matches the density"

# %% [markdown]
# **Investigate** (difficulty 3 of 3, 20 minutes). With 300 components and ten steps of EM, the mixture of Bernoullis
# above reaches -128.6 nats on MNIST's validation digits. Beat -123 with another mixture, in 15 seconds on two cores and within 1 GiB. (To
# save memory, `x_train` holds booleans: `x_train[:5_000].float()` are numbers.) A good answer says what was changed and why it
# should help, and gives the mean on validation digits with a paired interval against the mixture above. The test digits
# stay out of it.

# %% [markdown]
# **A worked example.** The training digits were binarised once, and 300 templates fit those very draws. With the grey
# value in place of the bit, the log-joint is its mean over all binarisations (an approximation: $r$ is not linear in it). Does that pay?


# %%
def start_of_em(x, components):
    """Equal weights, and templates that each resemble one image, as BernoulliMixture.fit does."""
    with lab.seeded(seed):
        some = x[torch.randperm(len(x))[:components]]
    mean = sum(part.sum(0) for part in x.split(5_000)) / len(x)
    return torch.full((components,), 1 / components), 0.1 + 0.4 * some + 0.4 * mean


def em_on_grey(components, steps, alpha=0.1):
    """EM whose images are the grey ones: the mean over binarisations in place of one draw."""
    x = digits.train.images
    weights, theta = start_of_em(x_train, components)
    for _ in range(steps):
        counts, black = 0, 0
        for part in x.split(5_000):
            r = log_joint(part, weights, theta).softmax(-1)
            counts, black = counts + r.sum(0), black + r.T @ part
        weights = counts.clamp(min=1e-6) / len(x)
        theta = ((alpha + black) / (2 * alpha + counts[:, None])).clamp(1e-6, 1 - 1e-6)
    return weights, theta


grey_nats = log_joint(x_valid, *em_on_grey(chosen, 10)).logsumexp(-1)
gain = lab.paired_bootstrap(grey_nats, mixtures[chosen].log_prob(x_valid))
print(f"validation digits {grey_nats.mean():.2f} nats, a gain of {gain[0]:.2f}", end=" ")
print("({:.2f} to {:.2f})".format(*gain[1:]))

# %% tags=["claim"]
assert gain[1] > 0, "it pays a little"

# %% [markdown]
# What else could change: the start, the steps, $\alpha$, or what the templates share.

# %% [markdown]
# ## Summary
#
# 1. Maximum likelihood minimises KL(data, model): the model tries to cover all data.
# 2. A model of $p(x, y)$ can draw, classify, and say how probable an $x$ is.
# 3. Transform, mix, normalise, or the chain rule: each can be fitted, and each has a catch.
# 4. Naive Monte Carlo fails unless log K is well above KL(posterior, prior): look where $z$ matters.
# 5. Audit: sum, sampler, bound, units.
#
# ## Errata of the handout
#
# | where | what it says | what is right |
# | --- | --- | --- |
# | eq. 1 | $P_{\text{model}}(x / \theta)$ | $p_\theta(x)$, and the expectation is estimated by the mean over the training set (1.1). Maximising it minimises KL(data, model) (1.4) |
# | 0.2, recipe 2 | $X = \mathcal{N}(f(Z), \Sigma)$ | $X$ given $Z$ is Gaussian; the marginal of $X$ is a continuous mixture (1.9) |
# | 0.2, recipe 3 | a density $\exp f(x) / Z_\theta$ | where the integral is finite; $Z_\theta$ is not the latent $Z$ (1.12) |
#
# ## References
#
# - S. Chatterjee, P. Diaconis. The sample size required in importance sampling. Annals of Applied Probability 28, 2018.
# - A. Dempster, N. Laird, D. Rubin. Maximum likelihood from incomplete data via the EM algorithm. JRSS B 39, 1977.
# - L. Dinh, J. Sohl-Dickstein, S. Bengio. Density estimation using Real NVP. ICLR 2017.
# - B. Efron. Bootstrap methods: another look at the jackknife. Annals of Statistics 7, 1979.
# - B. Frey. Graphical models for machine learning and digital communication. MIT Press, 1998.
# - I. Goodfellow. NIPS 2016 tutorial: generative adversarial networks. arXiv:1701.00160, 2016.
# - G. Hinton. Training products of experts by minimizing contrastive divergence. Neural Computation 14, 2002.
# - G. Roberts, R. Tweedie. Exponential convergence of Langevin distributions and their discrete approximations.
#   Bernoulli 2, 1996.
# - M. Tipping, C. Bishop. Probabilistic principal component analysis. JRSS B 61, 1999.

# %%
lab.solved("01")
