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
# A generative model is a probability distribution that is fitted to data. This notebook shows what fitting means,
# and runs three recipes by which deep models build theirs.
#
# **After this notebook you will be able to**
#
# - fit a density by maximum likelihood, and say which divergence that minimises;
# - tell a generative from a discriminative model, by what each can do;
# - build a density in three ways, check it in numbers, and name the catch of each;
# - say why the obvious estimate of a marginal likelihood fails in many dimensions;
# - read log-likelihoods in nats and in bits per dimension, and compare two models with an error bar.
#
# **Time needed:** about 90 minutes, with five exercises. The cells run in about 20 seconds on two cores.

# %%
import labutils as lab  # fails? python tools/doctor.py

import math

import torch
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch.distributions import Chi2, MultivariateNormal, Normal

lab.figures.use_style()
seed = 0
digits = lab.load()
print("torch ", torch.__version__)
print("device cpu: this notebook trains little")
print("data  ", digits)
print("seed  ", seed)

# %% [markdown]
# The data are in three splits, `train`, `validation` and `test`: `images` are grey values from 0 (white) to 1 (black), of
# shape `(N, 784)`; `labels` have shape `(N,)`. Inside `with lab.seeded(seed):` the random numbers are the same each time.

# %% [markdown]
# ## 1 A map of the models
#
# A model is **generative** if it places a joint distribution over all observed dimensions of the data. The next picture
# sorts deep generative models by how they represent that distribution, after Goodfellow (2016), with what has come
# since. The column "what it gives" is the one to remember: what can you ask of a trained model? An exact density, a bound on
# it, a density up to a constant, or samples only. Not all are fitted by maximum likelihood: an adversarial network plays a
# game instead.

# %%
lab.figures.show(lab.diagrams.taxonomy())

# %% [markdown]
# ## 2 Maximum likelihood
#
# Let $p_\theta(x)$ be a density with parameters $\theta$. **Maximum likelihood** chooses the parameters under which the
# data, taken as independent draws from one distribution, are most probable. The expectation over that unknown
# distribution is estimated by the mean over the training set, whose maximiser estimates the true one:
#
# $$\theta^* = \arg\max_\theta\, \mathbb{E}_{x \sim p_{\text{data}}}\big[\log p_\theta(x)\big]
#   \approx \arg\max_\theta \frac{1}{N} \sum_{i=1}^{N} \log p_\theta(x_i) \tag{1.1}$$
#
# **The sign convention of this course:** the text maximises log-likelihoods and bounds on them; the code minimises
# losses, `loss = -log_likelihood`. Log-densities are in **nats** (natural logarithms), summed over the dimensions of an
# image, and averaged over images in one visible place. (Only the function `ascend` below climbs, to show 1.1 as it
# stands.)
#
# The smallest example: one number per digit, its ink (the mean grey value, in percent), under one Gaussian,
#
# $$\log p_{\mu, \sigma}(x) = -\frac{1}{2} \Big( \log 2\pi + \log \sigma^2 + \frac{(x - \mu)^2}{\sigma^2} \Big) \tag{1.2}$$
#
# **Exercise 1.1** (difficulty 1 of 3, 5 minutes). Write equation 1.2. The second parameter is `log_var`,
# $\log \sigma^2$: any real number is allowed, so that gradient steps cannot leave the valid range.
#
# <details><summary>Hint 1</summary>The variance is <code>log_var.exp()</code>.</details>
# <details><summary>Hint 2</summary>Three terms, all times minus one half, one of them constant:
# <code>math.log</code> is for numbers, <code>.log()</code> for tensors.</details>


# %% jupyter={"source_hidden": true}
def gaussian_log_density(x, mean, log_var):
    """Eq. 1.2, in nats: one number for each x."""
    ### BEGIN SOLUTION
    return -0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var.exp())
    ### END SOLUTION


gaussian_log_density = lab.check("gaussian_log_density", gaussian_log_density)

# %% [markdown]
# Gradient ascent climbs the mean log-likelihood. For one Gaussian there is also a closed form, the mean and the mean
# squared deviation of the data, so that we can check where it arrives:
#
# $$\mu^* = \frac{1}{N} \sum_i x_i, \qquad (\sigma^*)^2 = \frac{1}{N} \sum_i (x_i - \mu^*)^2 \tag{1.3}$$


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
path = ascend(ink, mean=best[0].item() + 17, log_var=5.0)
print(f"gradient ascent: mean {path[-1, 0]:.3f} %, log-variance {path[-1, 1]:.4f}")
print(f"closed form    : mean {best[0]:.3f} %, log-variance {best[1]:.4f}")

# %% tags=["claim"]
assert torch.allclose(path[-1], best, atol=1e-2), "both find the same maximum"

# %% [markdown]
# The next picture shows the climb: on the left the density at three points of the path, over the histogram of the ink; on
# the right the mean log-likelihood over both parameters, with every tenth step of the path. Where the curve fits the
# histogram, the log-likelihood is highest.

# %%
means, log_vars = best[0] + torch.linspace(-11, 21, 120), torch.linspace(1.2, 6, 100)
# of the data, only their mean and variance enter the mean log-likelihood
surface = gaussian_log_density(best[0], means, log_vars[:, None])
surface -= 0.5 * (best[1] - log_vars[:, None]).exp()
figure, axes = plt.subplots(1, 2, figsize=(12, 4.2))
axes[0].hist(ink.tolist(), bins=60, density=True, color="0.8")
x = best[0] + torch.linspace(-13, 27, 300)
for count, style in ((0, ":"), (15, "--"), (300, "-")):
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
# Move the sliders and watch the number: can you beat the closed form? (Where no kernel runs, the picture above makes
# the same point.)

# %%
lab.widgets.gaussian_sliders(ink)

# %% [markdown]
# ## 3 What maximum likelihood minimises
#
# Insert $\log p_{\text{data}}(x)$ and subtract it again. The expected log-likelihood splits into a part that does not
# depend on the model, minus the entropy $H(p) = -\mathbb{E}_{x \sim p}[\log p(x)]$ of the data, and the Kullback-Leibler
# divergence $\mathrm{KL}(p\,\|\,q) = \mathbb{E}_{x \sim p}[\log p(x) - \log q(x)]$. It is never negative, by Jensen's
# inequality: $-\mathrm{KL} = \mathbb{E}_p[\log (q / p)] \le \log \mathbb{E}_p[q / p] \le 0$; and zero only for $p = q$:
#
# $$\mathbb{E}_{x \sim p_{\text{data}}}\big[\log p_\theta(x)\big]
#   = -H(p_{\text{data}}) - \mathrm{KL}\big(p_{\text{data}}\,\|\,p_\theta\big) \tag{1.4}$$
#
# So **maximising the likelihood minimises the KL divergence from the data to the model**. To see it in numbers we need a
# data distribution that we know: a mixture of two Gaussians, and one Gaussian as a model that cannot fit it. A fine grid
# of points turns integrals into sums (quadrature).

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
entropy = -(data * log_data).sum() * grid_step

# %% [markdown]
# **Predict, then run.** The data have two modes, the model has one. Where will maximum likelihood put it: on the larger
# mode, or between the two? And where would the divergence the other way round, $\mathrm{KL}(p_\theta \,\|\,
# p_{\text{data}})$, put it?


# %%
def smallest(divergence):
    """The model of the grid, as (mean, sigma), at which the divergence is smallest."""
    row, column = torch.unravel_index(divergence.argmin(), divergence.shape)
    return mean_grid[row].item(), sigma_grid[column].item()


covering, picking = smallest(forward_kl), smallest(reverse_kl)
print("maximum likelihood: mean {:.2f}, sigma {:.2f}".format(*covering))
print("reverse KL        : mean {:.2f}, sigma {:.2f}".format(*picking))

with lab.seeded(seed):
    second = (torch.rand(100_000) < 0.35).double()  # 1 where the draw is from the second mode
    drawn = 4 * second - 2 + (0.6 + 0.3 * second) * torch.randn(100_000, dtype=torch.float64)
terms = Normal(*covering).log_prob(drawn)
print(
    f"mean log-likelihood of samples {terms.mean():.3f}, "
    f"-H - KL by quadrature {-entropy:.3f} - {forward_kl.min():.3f}"
)

# %% tags=["claim"]
assert abs(covering[0] - (data * x).sum() * grid_step) < 0.05, (
    "maximum likelihood matches the mean of the data"
)
assert abs(picking[0] + 2) < 0.1, "the reverse KL sits on one mode"
assert abs(terms.mean() + entropy + forward_kl.min()) < 5 * terms.std() / math.sqrt(len(terms))

# %%
figure, axes = plt.subplots(figsize=(9, 4))
axes.fill_between(x, data, color="0.85", label="data")
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
# The last line of the output is equation 1.4, with samples on its left-hand side. The KL that is left is the price of a
# model that cannot fit.
#
# Where data fall and the model says "impossible", $\log p_\theta$ is very negative: the likelihood punishes that
# hard, so that the best model **covers** all of the data, even at the price of mass where there is none, here between
# the modes. The reverse divergence punishes mass where there are no data, and **picks** a mode when
# the modes lie far apart.

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
# A **discriminative** one, such as logistic regression, models $P(y \mid x)$ directly and nothing else. We give both the
# same two features of real digits: the projections of ones, fours and sevens on the first two principal components
# of 5,000 of them.
#
# **Exercise 1.2** (difficulty 2 of 3, 8 minutes). Write equation 1.6 with logarithms: densities of images are far too
# small for `exp`.
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
# The next picture shows what each has learned, on the same test digits: the class boundaries of both, and on the left
# also the densities behind them. The ellipses hold 95 % of each Gaussian. Only the generative model can draw new points
# (crosses).

# %%
low, high = test_features.min(0).values - 2, test_features.max(0).values + 2
ticks = [torch.linspace(low[i], high[i], 150) for i in range(2)]
plane = torch.cartesian_prod(*ticks)
by_class = class_density.log_prob(plane[:, None])
maps = (bayes_rule(by_class, log_prior).argmax(-1), torch.from_numpy(logistic.predict(plane)))
with lab.seeded(seed):
    new = class_density.sample((8,))  # (8, classes, 2)
figure, axes = plt.subplots(1, 2, figsize=(12, 4.8), sharey=True)
colours = (lab.figures.BLUE, lab.figures.ORANGE, lab.figures.GREEN)
for axis, labels, title in zip(axes, maps, ("Class-conditional Gaussians", "Logistic regression"),
                               strict=True):  # fmt: skip
    grid = labels.view(150, 150).T
    axis.contourf(*ticks, grid, levels=(-0.5, 0.5, 1.5, 2.5), colors=colours, alpha=0.15)
    for k, colour in enumerate(colours):
        mine = test_features[test_target == k][:150]
        axis.scatter(*mine.T, s=10, color=colour, label=f"digit {classes[k]}")
    axis.set(title=title, xlabel="first component")
for k, colour in enumerate(colours):
    contour = by_class[:, k].view(150, 150).T
    axes[0].contour(*ticks, contour, levels=[contour.max() - 3], colors=[colour])
    axes[0].plot(*new[:, k].T, "x", color="black", markersize=8)
axes[0].set_ylabel("second component")
axes[1].legend(loc="upper right")
lab.figures.show(
    figure,
    alt="Test digits in the plane of two features. Left: curved boundaries, an ellipse "
    "and new points for each class. Right: straight boundaries, nothing else.",
)

# %% [markdown]
# **Predict, then run.** With very few labelled digits, which one wins? We repeat the fit on random training sets of 4 to
# 256 digits per class. A third model stands between the two: Gaussians that share one covariance have straight
# boundaries, as logistic regression does. The bars are 95 % intervals of the mean over 20 training sets, the same ones
# for all three.

# %%
own = [(target == k).nonzero()[:, 0] for k in range(3)]
sizes, repeats = [n for n in (4, 8, 16, 64, 256) if n <= min(map(len, own))], 20
accuracy = torch.zeros(3, len(sizes), repeats)
with lab.seeded(seed):
    for column, size in enumerate(sizes):
        for repeat in range(repeats):
            some = torch.cat([each[torch.randperm(len(each))[:size]] for each in own])
            x, y = features[some], target[some]
            for row, shared in enumerate((False, True)):
                few, prior = fit_gaussians(x, y, shared)
                guess = bayes_rule(few.log_prob(test_features[:, None]), prior).argmax(-1)
                accuracy[row, column, repeat] = (guess == test_target).float().mean()
            model = LogisticRegression().fit(x, y)
            accuracy[2, column, repeat] = model.score(test_features, test_target)
figure, axes = plt.subplots(figsize=(8, 4))
names = ("Gaussians", "Gaussians, shared covariance", "logistic regression")
for name, curve, style in zip(names, accuracy, ("o-", "s--", "^:"), strict=True):
    error = 1.96 * curve.std(-1) / math.sqrt(repeats)
    axes.errorbar(sizes, curve.mean(-1), error, fmt=style, capsize=4, label=name)
axes.set(xscale="log", xlabel="training digits per class", ylabel="test accuracy")
axes.set(title="Accuracy as the training data shrink", xticks=sizes, xticklabels=sizes)
axes.legend()
lab.figures.show(
    figure, alt="Test accuracy of three classifiers against the number of training digits."
)

# %%
mean_accuracy = accuracy.mean(-1)
for name, row in zip(names, mean_accuracy, strict=True):
    print(f"{name:28}", *(f"{value:6.1%}" for value in row))

# %% tags=["claim"]
if digits.source == "mnist":
    assert mean_accuracy[1, 0] > mean_accuracy[0, 0], "four digits are few for a covariance each"
    assert mean_accuracy[0, -1] > mean_accuracy[1:, -1].max(), "with many, the flexible one wins"

# %% [markdown]
# On MNIST, four digits per class are too few for a covariance of each class, and many are enough. (Logistic regression
# carries scikit-learn's penalty on large weights, which helps it most where data are few.) Can either notice what it has
# never seen?

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


def auroc(digits, strangers):
    """The share of pairs in which the digit has the higher value."""
    truth = torch.cat([torch.ones(len(digits)), torch.zeros(len(strangers))])
    return roc_auc_score(truth, torch.cat([digits, strangers]))


known = measures(test_images)
told_apart = {name: list(map(auroc, known, measures(x))) for name, x in strangers.items()}
print("AUROC against test digits   log p(x)   confidence   nearness to the plane")
for name, values in told_apart.items():
    print(f"{name:24}", *(f"{value:10.2f}" for value in values))

# %% tags=["claim"]
assert min(map(min, told_apart.values())) < 0.5, "some look more familiar than digits"
assert min(values[2] for values in told_apart.values()) > 0.8, "the plane is far from all of them"
if digits.source == "mnist":
    assert told_apart["zeros"][0] < 0.5, "some have a higher p(x) than digits"
    assert told_apart["negatives"][1] < 0.5, "and of some, logistic regression is surer"

# %% [markdown]
# The AUROC is the share of pairs, a digit and a stranger, in which the digit has the higher value; 0.5 is guessing. Neither
# model notices all strangers (negatives have black and white exchanged). **A high $p(x)$ is no proof of a familiar $x$**:
# this density is one of two features, and whatever else an image has is lost in the projection. The distance to the plane
# of the features, which no density here looks at, tells all three apart.
#
# What each can do:
#
# | | generative, $p(x, y)$ | discriminative, $P(y \mid x)$ |
# | --- | --- | --- |
# | classify | yes, by Bayes' rule | yes |
# | draw new $x$ | yes | no |
# | say how probable an $x$ is | yes, as far as the model holds | no |
# | needs a model of $x$ | yes: an assumption, which may help or hurt | no |

# %% [markdown]
# ## 5 Recipe 1: transform a simple variable
#
# How does one build a rich family of distributions? First recipe: draw $z$ from a simple distribution and put it through
# a flexible function, $x = f(z)$. If $f$ is invertible, the density follows from the **change of variables**: mass is
# kept, so where $f$ stretches, the density thins.
#
# $$\log p_X(x) = \log p_Z(z) - \log \left| \frac{df}{dz}(z) \right|, \qquad z = f^{-1}(x) \tag{1.7}$$
#
# (In several dimensions the slope becomes the determinant of the Jacobian.)
#
# **Exercise 1.3** (difficulty 1 of 3, 4 minutes). Write it: `log_p_z` is $\log p_Z$ at $z$, `slope` is $df/dz$ there.
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
# The function below stretches the middle of a Gaussian, so that one mode becomes two. Its density by equation 1.7 is
# checked in two ways: it integrates to one, and it fits the histogram of samples.


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
axes[1].hist(samples.tolist(), bins=edges.tolist(), density=True, color="0.8", label="samples")
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
# **The catch.** $f$ has to be invertible, with a determinant that can be computed: that is what *normalising flows* are
# made of. What if it is not? Take $x = z^2$. Two values of $z$ end at the same $x$, and their densities add up:
#
# $$p_X(x) = \sum_{z:\, f(z) = x} p_Z(z)\, \left| \frac{df}{dz}(z) \right|^{-1} \tag{1.8}$$


# %%
def squared_density(x):
    """Eq. 1.8 for x = z squared and z from N(0, 1): both roots of x count."""
    roots = torch.stack([x.sqrt(), -x.sqrt()])
    return change_of_variables(Normal(0.0, 1.0).log_prob(roots), 2 * roots).exp().sum(0)


x = torch.linspace(0.05, 4, 80)
exact = Chi2(1.0).log_prob(x).exp()  # the known distribution of a squared Gaussian
one_root = change_of_variables(Normal(0.0, 1.0).log_prob(x.sqrt()), 2 * x.sqrt()).exp()
print(f"at x = {x[19]:.2f}: {exact[19]:.4f} exact, {one_root[19]:.4f} with one root")

# %% tags=["claim"]
assert torch.allclose(squared_density(x), exact, rtol=1e-4)
assert torch.allclose(one_root, exact / 2, rtol=1e-4), "one root alone misses half of the mass"

# %% [markdown]
# **A second catch.** If $x$ has more dimensions than $z$, the samples lie on a thin surface, of volume zero. There is no
# density at all. Add a little noise, and there is one; **predict, then run:** what happens to the log-density of points
# on the surface, and of points beside it, as the noise goes to zero?


# %%
def curve(z):
    """From one dimension into two."""
    return torch.stack([z, torch.sin(2 * z)], -1)


nodes = torch.arange(-6, 6, 0.002, dtype=torch.float64)
log_weight = Normal(0.0, 1.0).log_prob(nodes) + math.log(0.002)
with lab.seeded(seed):
    z_on = torch.randn(200, dtype=torch.float64)
normal = torch.stack([-2 * torch.cos(2 * z_on), torch.ones(200)], -1)  # across the curve
on = curve(z_on)
off = on + 0.15 * normal / normal.norm(dim=-1, keepdim=True)
noises = (0.3, 0.1, 0.03, 0.01)
rows = []
for noise in noises:
    thick = Normal(curve(nodes)[:, None], noise)
    rows.append([
        (thick.log_prob(x).sum(-1) + log_weight[:, None]).logsumexp(0).mean().item()
        for x in (on, off)
    ])  # fmt: skip
on_curve, beside = torch.tensor(rows).T
gain = on_curve.diff() / torch.tensor(noises).log().diff()

# %% tags=["claim"]
assert (gain[-2:] + 1).abs().max() < 0.05, "on the curve: minus the log of the noise, without end"
assert (beside.diff()[-2:] < -5).all(), "beside it: ever more improbable"

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 3.8))
axes[0].plot(*on.T, ".", label="samples")
axes[0].plot(*off[:60].T, "x", color=lab.figures.RED, label="points beside them")
axes[0].set(title="One dimension, mapped into two", xlabel="$x_1$", ylabel="$x_2$")
axes[0].set_ylim(-1.7, 1.3)
axes[0].legend(loc="lower center", ncols=2)
axes[1].plot(noises, on_curve, "o-", label="samples")
axes[1].plot(noises, beside, "x--", color=lab.figures.RED, label="points beside them")
axes[1].set(title="Without noise there is no density", xscale="log", ylim=(-30, 6))
axes[1].set(xlabel="noise (standard deviation)", ylabel="mean log-density (nats)")
axes[1].invert_xaxis()
axes[1].legend(loc="lower left")
lab.figures.show(
    figure,
    alt="Left: samples on a wave in the plane, and points beside it. Right: as noise "
    "falls, the log-density of the samples rises, that of the others falls.",
)

# %% [markdown]
# A decoder from 20 numbers to 784 pixels is such a map. Used without noise, as in a GAN or in the autoencoder of notebook
# 05, it gives samples and no likelihood. With noise it is the next recipe.

# %% [markdown]
# ## 6 Recipe 2: mix a simple family
#
# Second recipe: let $x$ given $z$ have a simple distribution whose parameters are a flexible function of $z$, and average
# over $z$. With Gaussian noise of variance $s^2$,
#
# $$z \sim \mathcal{N}(0, I), \quad x \mid z \sim \mathcal{N}\big(f(z),\, s^2 I\big), \qquad
#   p(x) = \int \mathcal{N}\big(x;\ f(z),\, s^2 I\big)\, \mathcal{N}(z;\ 0, I)\, dz \tag{1.9}$$
#
# The marginal is a mixture of infinitely many Gaussians: it exists whatever $f$ is. The integral can be replaced by a sum
# over a grid, or estimated with samples $z_k$ from the prior, **naive Monte Carlo**:
#
# $$p(x) \approx \frac{1}{K} \sum_{k=1}^{K} p(x \mid z_k), \qquad z_k \sim p(z) \tag{1.10}$$


# %%
def marginal(log_p_x_given_z):
    """Eq. 1.10 in logarithms: (K, N) to log p(x), (N,), in nats."""
    return log_p_x_given_z.logsumexp(0) - math.log(len(log_p_x_given_z))


def log_density(x, f, noise, nodes, log_weight):
    """Eq. 1.9 by quadrature, for z in one dimension: x (N,) to (N,), in nats.

    nodes (M,): a grid of z; log_weight (M,): the log of N(z; 0, 1) times the grid's step.
    """
    return (Normal(f(nodes)[:, None], noise).log_prob(x) + log_weight[:, None]).logsumexp(0)


noise = 0.5
x = torch.arange(-7, 7, 0.04, dtype=torch.float64)
by_quadrature = log_density(x, f, noise, nodes, log_weight)
with lab.seeded(seed):
    z = torch.randn(20_000, dtype=torch.float64)
    samples = Normal(f(z), noise).sample()
by_samples = marginal(Normal(f(z)[:, None], noise).log_prob(x))

# %% tags=["claim"]
assert (by_quadrature.exp().sum() * 0.04 - 1).abs() < 1e-3, "the density integrates to one"
assert (by_samples.exp() - by_quadrature.exp()).abs().max() < 0.01, "both routes agree"

# %%
figure, axes = plt.subplots(figsize=(8, 3.6))
axes.hist(samples.tolist(), bins=80, density=True, color="0.8", label="samples")
axes.plot(x, by_quadrature.exp(), label="quadrature")
axes.plot(x, by_samples.exp(), "--", label="Monte Carlo, K = 20,000")
axes.set(title="In one dimension both routes work", xlabel="x", ylabel="density", xlim=(-4, 4))
axes.set_ylim(0, 0.22)
axes.legend(loc="upper center", ncols=3)
lab.figures.show(
    figure, alt="A density with two modes: histogram, quadrature and Monte Carlo agree."
)

# %% [markdown]
# **The catch.** One dimension is easy. For images we need many, and a grid is out of the question. Does Monte Carlo
# survive? To know the truth we need a model whose integral can be done: if $f$ is linear, $f(z) = \mu + W z$, then $x$
# is Gaussian (probabilistic PCA; Tipping and Bishop, 1999), with the exact density
#
# $$p(x) = \mathcal{N}\big(x;\ \mu,\ W W^\top + s^2 I\big) \tag{1.11}$$
#
# (As in section 4 we take grey pixels for real numbers.) We fit it to all training digits, by maximum likelihood, with $m$
# latent dimensions, and estimate the density of test digits with 10,000 samples from the prior. **Predict, then run.** Up
# to which $m$ is the estimate good?

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


def shortfall(x, mean, W, s, seed, K=10_000):
    """Nats by which Eq. 1.10 falls short of Eq. 1.11 on average, and how many samples count."""
    exact = MultivariateNormal(mean, W @ W.T + s**2 * torch.eye(784)).log_prob(x)
    with lab.seeded(seed):
        z = torch.randn(K, W.shape[1], dtype=torch.float64)
    parts = [torch.cdist(part @ W.T, x - mean) for part in z.split(1_000)]  # 6 MB each
    log_p = -0.5 * torch.cat(parts).square() / s**2
    log_p -= 784 * (s.log() + 0.5 * math.log(2 * math.pi))
    count = 1 / log_p.softmax(0).square().sum(0)
    return (exact - marginal(log_p)).mean().item(), count.median().item()


# %%
dimensions, fitted, wide = (1, 2, 5, 10, 20, 50), [], []
few = digits.test.images[:50].double()
_, widest = linear_model(values, vectors, 1)
for m in dimensions:
    W, s = linear_model(values, vectors, m)
    fitted.append(shortfall(few, mean, W, s, seed)[0])
    gap, count = shortfall(few, mean, W, widest, seed)
    wide.append(gap)
    print(
        f"m = {m:2}, noise {s:.2f}: {fitted[-1]:7.1f} nats short; "
        f"noise {widest:.2f}: {gap:6.1f} nats short, {count:6.1f} samples count"
    )

# %%
figure, axes = plt.subplots(figsize=(8, 3.6))
axes.plot(dimensions, fitted, "o-", label="noise as fitted")
axes.plot(dimensions, wide, "s--", label="noise as for one dimension")
axes.set(xlabel="latent dimensions", ylabel="nats below the truth", xticks=dimensions[2:])
axes.set(title="Naive Monte Carlo dies with the dimension", ylim=(0, 1.1 * fitted[-2]))
axes.legend()
lab.figures.show(
    figure, alt="The error of the naive estimate grows with the number of latent dimensions."
)

# %% tags=["claim"]
assert all(abs(short[0]) < 0.1 and short[-1] > 50 for short in (fitted, wide)), (
    "good in one dimension, useless in fifty"
)

# %% [markdown]
# (The upper curve leaves the picture at the right.) With more dimensions the fitted noise shrinks too, and a sharper
# likelihood is harder to hit; the lower curve keeps the noise and shows what the dimension does alone.
#
# The last number of each line is the effective number of samples, $1 / \sum_k w_k^2$ for the normalised weights $w_k$: at
# $m = 1$ hundreds of the 10,000 or more share the sum, later a single one carries it. The mean 1.10 is unbiased for $p(x)$
# at any $K$, and yet nearly every estimate is far too small, because the few samples that matter are not drawn. One has to
# draw $z$ where it matters *for this $x$*, from the posterior, which is unknown. **This is the problem that notebook 03
# solves.**

# %% [markdown]
# ## 7 Recipe 3: an unnormalised log-density
#
# Third recipe: let a flexible function $f_\theta$ say how plausible each $x$ is, and normalise:
#
# $$p_\theta(x) = \frac{\exp f_\theta(x)}{Z_\theta}, \qquad Z_\theta = \int \exp f_\theta(x)\, dx < \infty \tag{1.12}$$
#
# Any function will do for which the integral is finite. ($Z_\theta$ is a number that depends on $\theta$, not a latent
# variable.) In one and two dimensions quadrature gives it.


# %%
def log_normaliser(values, volume):
    """log Z of Eq. 1.12 by quadrature: f at the points of a grid, and the volume of a cell."""
    return values.logsumexp(0) + math.log(volume)


def wells(x):
    return 2 * x**2 - x**4 / 2 + x / 2


for width in (2, 4, 8, 16):
    x = torch.arange(-width, width, 0.01, dtype=torch.float64) + 0.005
    finite, not_finite = log_normaliser(wells(x), 0.01), log_normaliser(x**2 / 4, 0.01)
    print(f"up to ±{width:2}: log Z {finite:7.4f} for two wells, {not_finite:6.2f} for x² / 4")

# %% tags=["claim"]
assert abs(log_normaliser(-(x**2) / 2, 0.01) - 0.5 * math.log(2 * math.pi)) < 1e-6, (
    "the Gaussian's Z is known"
)

# %% [markdown]
# The first column of numbers settles: the integral is finite. The second grows without end: $\exp(x^2 / 4)$ is no
# density.
#
# **Sampling.** The gradient of $\log p$ does not contain $Z$. *Langevin dynamics* follows it uphill, with noise:
#
# $$x_{t+1} = x_t + \eta\, \nabla f(x_t) + \sqrt{2 \eta}\; \varepsilon_t, \qquad \varepsilon_t \sim \mathcal{N}(0, I) \tag{1.13}$$
#
# For a small step $\eta$ and many steps, $x_t$ is distributed almost as $p$ (Roberts and Tweedie, 1996).
#
# **Exercise 1.4** (difficulty 1 of 3, 4 minutes). Write one step.
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
# A density in the plane: a ring, heavier on the right. 5,000 chains start at random. We compare the histogram of where
# they end with the density, by the total variation distance: half the sum of the absolute differences over the cells,
# 0 if they agree and 1 if they have nothing in common. The floor is the same distance for 5,000 independent exact samples.


# %%
def ring(x):
    """f of a ring of radius 2 in the plane: points (..., 2) to (...,)."""
    return -4 * (x.norm(dim=-1) - 2) ** 2 + 0.5 * x[..., 0]


def chains(x, steps, step, noisy=True):
    """Langevin dynamics on the ring: where the chains x (N, 2) are after some steps."""
    for _ in range(steps):
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(ring(x).sum(), x)
        noise = torch.randn_like(x) if noisy else torch.zeros_like(x)
        x = langevin_step(x.detach(), gradient, step, noise)
    return x


# %%
side = torch.linspace(-3.9, 3.9, 40)  # the centers of cells of 0.2 by 0.2
cells = torch.cartesian_prod(side, side)
probability = (ring(cells) - log_normaliser(ring(cells), 0.04)).exp() * 0.04


def total_variation(x):
    """Between the histogram of points (N, 2) and the density, over the cells."""
    index = ((x + 4) / 0.2).floor().long().clamp(0, 39)
    counts = torch.bincount(index[:, 0] * 40 + index[:, 1], minlength=1_600)
    return 0.5 * (counts / len(x) - probability).abs().sum().item()


with lab.seeded(seed):
    start = 3 * torch.randn(5_000, 2)
    ends = {steps: chains(start, steps, 0.01) for steps in (10, 100, 1_000)}
    silent = chains(start, 1_000, 0.01, noisy=False)
    floor = total_variation(cells[torch.multinomial(probability, 5_000, replacement=True)])
for steps, x in ends.items():
    print(f"distance after {steps:5,} steps: {total_variation(x):.3f}")
print(f"exact samples (floor)     : {floor:.3f}")
print(f"without the noise         : {total_variation(silent):.3f}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(13, 4.3), sharey=True)
grid = probability.view(40, 40).T
axes[0].imshow(grid, origin="lower", extent=(-4, 4, -4, 4))
axes[0].set(title="The density", ylabel="$x_2$")
for axis, points, title in (
    (axes[1], ends[1_000], "Langevin dynamics"),
    (axes[2], silent, "The same without noise"),
):
    axis.plot(*points[:2_000].T, ".", markersize=2)
    axis.set(title=title, xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
for axis in axes:
    axis.set_xlabel("$x_1$")
lab.figures.show(
    figure,
    alt="A ring, darker on the right. Langevin samples fill it the same way; without "
    "noise the points gather on a thin line.",
)

# %% tags=["claim"]
assert total_variation(ends[1_000]) < 1.3 * floor, "Langevin samples are nearly exact ones"
assert total_variation(silent) > 3 * floor, "without noise, the chains only climb"

# %% [markdown]
# **The catch.** Samples do not need $Z$, but a likelihood does. (Its gradient in $\theta$ does not: it is $\nabla
# f_\theta(x) - \mathbb{E}_{p_\theta}[\nabla f_\theta]$, and Langevin samples estimate the expectation. That is how
# energy-based models are trained.) For images, a grid with only two values per pixel has this many points:

# %%
# NBVAL_CHECK_OUTPUT
points = 2**784
print(f"2 to the 784 is a number of {len(str(points))} digits")
years = math.log10(points) - 9 - math.log10(365 * 24 * 3600)
print(f"at a billion points per second: about 10 to the {years:.0f} years")

# %% [markdown]
# And where the modes lie far apart, chains may take very long from one to the other. Energy-based and diffusion models
# are built around these difficulties; this course does not follow them.
#
# | recipe | density | catch | in this course |
# | --- | --- | --- | --- |
# | 1 transform | exact, if $f$ is invertible | no density into a higher dimension | 05 |
# | 2 mix | a marginal, always | an integral that naive Monte Carlo cannot do | 03, 04 |
# | 3 normalise | up to a constant | for images, $Z$ can only be estimated | here only |

# %% [markdown]
# ## 8 The scoreboard starts
#
# The thread through this course is one number: the log-likelihood of the same binarised test digits, in nats per image.
# Each pixel is drawn once as 0 or 1, with its grey value as the probability, with a fixed seed. Binary data have a great
# advantage: the log-likelihood is a log-probability, so it is never positive, and $-\log_2 p(x)$ is the number of bits
# that an ideal code needs for the image.
#
# **Bits per dimension** divide by the number of pixels, $D = 784$:
#
# $$\mathrm{bpd}(x) = -\frac{\log p(x)}{D \log 2} \tag{1.14}$$
#
# **Exercise 1.5** (difficulty 1 of 3, 3 minutes). Write equation 1.14.
#
# <details><summary>Hint 1</summary>A fair coin costs one bit: minus log one half, over log 2.</details>
# <details><summary>Hint 2</summary><code>nats</code> is negative, bits are positive; the
# logarithm of a number is <code>math.log</code>.</details>


# %% jupyter={"source_hidden": true}
def bpd(nats):
    """Eq. 1.14: nats of a whole image to bits per pixel."""
    ### BEGIN SOLUTION
    return -nats / (784 * math.log(2))
    ### END SOLUTION


bpd = lab.check("bits_per_dimension", bpd)

# %% [markdown]
# The simplest model: **independent pixels**, each a coin of its own. It is the mixture below with one component. A
# finite **mixture of Bernoullis** has $C$ components with weights $\pi_c$, and within each the pixels are independent:
#
# $$p(x) = \sum_{c=1}^{C} \pi_c \prod_{d=1}^{784} \theta_{cd}^{x_d} (1 - \theta_{cd})^{1 - x_d} \tag{1.15}$$
#
# The EM algorithm (Dempster et al., 1977) never lowers its likelihood (with $\alpha$ imagined pixels, as here: the
# likelihood of real and imagined ones). The E-step is Bayes' rule of exercise
# 1.2: $r_{ic}$ is the probability that image $i$ came from component $c$. The M-step takes weighted means, with
# $\alpha$ imagined black and white pixels added so that no pixel becomes impossible:
#
# $$\pi_c = \frac{1}{N} \sum_i r_{ic}, \qquad
#   \theta_{cd} = \frac{\alpha + \sum_i r_{ic}\, x_{id}}{2 \alpha + \sum_i r_{ic}} \tag{1.16}$$
#
# `lab.BernoulliMixture.fit` takes ten such steps with $\alpha = 0.1$, from components that each resemble one image; its
# `log_prob` is equation 1.15. The code is in `labutils/mixtures.py`. It holds the logit $a = \log \frac{\theta}{1 -
# \theta}$: a pixel then gives $x a - \log(1 + e^a)$, and `softplus` is $\log(1 + e^a)$.

# %% [markdown]
# The number of components is chosen on validation digits. **Predict, then run.** From 1 to 300 components: can the
# training curve turn down? Will the validation curve? (The training curve is measured on the first 10,000 digits.)

# %%
board = lab.Scoreboard(digits)
x_test = board.images  # drawn once, the same in every notebook
x_train = lab.binarize(digits.train.images, torch.Generator().manual_seed(seed + 1))
x_valid = lab.binarize(digits.validation.images, torch.Generator().manual_seed(seed + 2))
mixtures = {
    size: lab.BernoulliMixture.fit(x_train, size, seed=seed) for size in (1, 10, 30, 100, 300)
}
train_curve, valid_curve = (
    {size: mixture.log_prob(images).mean().item() for size, mixture in mixtures.items()}
    for images in (x_train[:10_000], x_valid)
)
chosen, runner_up, *_ = sorted(valid_curve, key=valid_curve.get, reverse=True)
print("components", *(f"{size:9}" for size in mixtures))
print("training  ", *(f"{nats:9.2f}" for nats in train_curve.values()))
print("validation", *(f"{nats:9.2f}" for nats in valid_curve.values()))
print(f"chosen on validation digits: {chosen} components")

# %% tags=["claim"]
assert list(train_curve.values()) == sorted(train_curve.values()), "more components, a closer fit"

# %%
figure, axes = plt.subplots(figsize=(8, 3.6))
axes.semilogx(train_curve.keys(), train_curve.values(), "o--", label="training")
axes.semilogx(valid_curve.keys(), valid_curve.values(), "o-", label="validation")
axes.axvline(chosen, color="0.7", linewidth=1)
axes.set(xlabel="components", ylabel="nats per digit", xticks=list(mixtures))
axes.set(title=f"Validation digits choose {chosen} components", xticklabels=list(mixtures))
axes.legend(loc="lower right")
lab.figures.show(
    figure, alt="Log-likelihood of training and of validation digits against the components."
)

# %% tags=["claim"]
assert chosen == digits.pick(mnist=300, bundled=30), digits.pick(
    mnist="on MNIST the largest mixture that we have time for is the best one",
    bundled="with few digits, a large mixture fits them too closely",
)

# %% [markdown]
# On MNIST neither turns: 300 is the largest size that we tried, after ten steps of EM from one start, and no optimum. On
# the 1,250 bundled digits the validation curve turns while the training curve climbs on.
#
# Now the test digits, once. The line below the scoreboard says on which data the numbers were measured; the later
# notebooks add their rows.

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
# How sure are we of such differences? The ± treats a row alone: digits differ a lot. But both models saw the **same**
# digits. A *paired* bootstrap (Efron, 1979) draws test digits with replacement and looks at the mean difference, in which
# most of that variation cancels.

# %%
difference, lower, upper = lab.paired_bootstrap(test_nats[chosen], test_nats[runner_up])
variances = [test_nats[size].var().item() for size in (chosen, runner_up)]
separate = 1.96 * math.sqrt(sum(variances) / len(x_test))
print(f"{chosen} against {runner_up} components: {difference:.2f} nats better")
print(f"95 % interval, paired : {lower:.2f} to {upper:.2f}")
print(f"as if not paired      : {difference - separate:.2f} to {difference + separate:.2f}")

# %% tags=["claim"]
assert upper - lower < separate, "pairing more than halves the interval"

# %% [markdown]
# The interval says how much the difference depends on **which test digits** were drawn, for these two fitted models. EM
# from another start gives other models: that variation it does not contain.
#
# Samples tell the rest. Independent pixels give noise in the shape of the mean digit. A mixture draws a component, then
# pixels that are independent given it: digits, with speckles. The last row shows some components themselves.


# %%
with lab.seeded(seed):
    rows = torch.cat([
        x_test[:10], mixtures[1].sample((10,)), mixtures[chosen].sample((10,)),
        mixtures[chosen].component_distribution.mean[:10],
    ])  # fmt: skip
names = ("test digits", "independent", "mixture", "components")
lab.figures.show(
    lab.figures.digit_grid(rows, row_labels=names, title="Samples of the first two models"),
    alt="Rows of ten: binary test digits; noise in the shape of a blurred blob; digits with "
    "speckles; and smooth grey templates of digits.",
)

# %% [markdown]
# The mixture is recipe 2 with a $z$ that takes finitely many values: the sum 1.15 can be computed, so its likelihood is
# exact. Each digit has to resemble one of the templates. The models of notebooks 03 and 04 share parts between digits
# instead, and that is worth many nats.

# %% [markdown]
# ## Summary
#
# 1. Maximum likelihood minimises KL(data, model): a model that cannot fit the data still tries to cover them.
# 2. A generative model learns $p(x, y)$ or $p(x)$: it can draw, classify, and say how probable an $x$ is.
# 3. Transform, mix or normalise: three recipes, each with a density check and a catch.
# 4. Naive Monte Carlo for a marginal dies with the dimension: inference has to look where $z$ matters.
# 5. Compare exact numbers and bounds in nats, on the same digits, with a paired interval.
#
# ## Errata of the handout
#
# | where | what it says | what is right |
# | --- | --- | --- |
# | eq. 1 | $P_{\text{model}}(x / \theta)$ | $p_\theta(x)$, and the expectation is estimated by the mean over the training set (1.1). Maximising it minimises KL(data, model) (1.4) |
# | 0.2, recipe 2 | $X = \mathcal{N}(f(Z), \Sigma)$ | $X$ given $Z$ is Gaussian; the marginal of $X$ is a continuous mixture (1.9) |
# | 0.2, recipe 3 | a density $\exp f(x) / Z_\theta$ | only where the integral is finite; $Z_\theta$ is not the latent $Z$ (1.12) |
#
# ## References
#
# - A. Dempster, N. Laird, D. Rubin. Maximum likelihood from incomplete data via the EM algorithm. JRSS B 39, 1977.
# - B. Efron. Bootstrap methods: another look at the jackknife. Annals of Statistics 7, 1979.
# - I. Goodfellow. NIPS 2016 tutorial: generative adversarial networks. arXiv:1701.00160, 2016.
# - G. Roberts, R. Tweedie. Exponential convergence of Langevin distributions and their discrete approximations.
#   Bernoulli 2, 1996.
# - M. Tipping, C. Bishop. Probabilistic principal component analysis. JRSS B 61, 1999.

# %%
lab.solved("01")
