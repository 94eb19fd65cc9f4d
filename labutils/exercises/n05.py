"""The exercises of notebook 05: EM, other priors, importance sampling, measures of samples."""

from labutils.exercises import gaussians, pairs
from labutils.exercises.kinds import Choice, Exercise, Several, derivation
from labutils.mixtures import GaussianMixture

import math

import torch
from torch.distributions import MultivariateNormal, Normal

FAR = torch.tensor([[0.0], [-5], [-130], [-140], [-150]])
NOBODY = ("Far from all components, where densities underflow, nobody is responsible.", "softmax.")
ANYBODY = ("Far from all components, where densities underflow, all count alike.", "softmax.")
OVER_CODES = ("The codes share a component, not the components a code.", "Normalise the last axis.")
HARD = ("Each code belongs to one component alone. EM shares it.", "Return the probabilities.")
TABLE = ("All responsibilities together add up to 1.", "Those for each code do: the last axis.")
TOO_LATE = ("They don't add up to 1.", "Weight first, then normalise.")
NO_PRODUCT = ("A product of logarithms is no logarithm of a product.", "Add them.")
LOGS = ("Logarithms are divided as if they were probabilities.", "Normalise their exponentials.")


def responsibilities(log_weight, log_density):
    return (log_weight + log_density).softmax(-1)


def component_bound(z, r, mean, covariance):
    return (r * MultivariateNormal(mean, covariance).log_prob(z)).sum()


def slope_in_mean(z, r, mean, covariance):
    return covariance.inverse() @ (r[:, None] * (z - mean)).sum(0)


def slope_in_precision(z, r, mean, covariance):
    centred = z - mean
    return 0.5 * (r.sum() * covariance - (r[:, None] * centred).T @ centred)


INVERTED = ("Covariance and precision are exchanged.", "Where the spread is wide, gaps count less.")
VARIANCES = ("Only variances count, not how coordinates vary together.", "Use the whole matrix.")
NO_2PI = ("The constant of the density is missing.", "It counts once for each code, times r.")
IN_COVARIANCE = ("This is the gradient in the covariance.", "Take the precision as the variable.")
ALL_CODES = ("Each component is averaged over all codes.", "Divide by its own sum of r.")
NOT_SHARES = ("The weights don't add up to 1.", "They are shares of the codes.")
FROM_ZERO = ("The spread is measured from 0.", "Subtract the new means from the codes.")
DIAGONAL = ("No two coordinates vary together.", "An outer product has all entries.")
ALIKE = ("In the covariances all codes count alike.", "Weight outer products with r.")
SQUARED = ("In the covariances r counts twice.", "It multiplies one of the two gaps.")
FROM_ALL = ("The spread is measured from the mean of all codes.", "Each component has its own.")
ONE_MEAN = ("All components have the mean of all codes.", "Weight each code with its r.")
SUMS = ("Sums over the codes are not divided.", "Divide by the sum of r.")


def gaussian_m_step(z, r):
    count = r.sum(0)
    means = r.T @ z / count[:, None]
    centred = z[:, None] - means
    covariances = torch.einsum("nk,nki,nkj->kij", r, centred, centred)
    return count / len(z), means, covariances / count[:, None, None]


def elbo_by_samples(log_likelihood, log_prior, log_q):
    return (log_likelihood + log_prior - log_q).mean(0)


ENTROPY = ("A narrower q raises the bound, without end.", "Subtract log q.")
PRIOR_SIGN = ("Codes improbable under the prior raise the bound.", "Look at the prior's sign.")
OUTSIDE = ("This is the importance-weighted bound.", "The ELBO is a mean of logarithms.")


def importance_estimate(log_likelihood, log_prior, noise, scale):
    log_q = Normal(0.0, 1.0).log_prob(noise).sum(-1) - noise.shape[-1] * math.log(scale)
    log_weight = log_likelihood + log_prior - log_q
    return log_weight.logsumexp(0) - math.log(len(log_weight))


STRETCH = ("The scale stretches z, and q doesn't thin. Mass is kept.", "Look at equation 1.7.")
ONE_AXIS = ("Only one dimension is stretched.", "All d are: d times log scale.")
VARIANCE = ("The scale is taken for a variance.", "It is a standard deviation.")
FLAT = ("Codes count as if q were flat.", "Divide by q, the density they were drawn from.")
FROM_PRIOR = ("This suits draws from the prior, and these are q's.", "Weight them with m / q.")
NO_PRIOR = ("Which codes the prior makes likely doesn't count.", "Add log_prior.")
A_SUM = ("The more draws, the larger the result.", "A mean divides by their number: K.")
AT_NOISE = ("q is evaluated at the noise, not at the code.", "z - code is s times the noise.")
INSIDE = ("This is the ELBO: a mean of logarithms.", "Average the weights, then take the log.")

TWICE = ("A sample counts once for each ball that holds it.", "It counts once in all: any.")
FRACTION = ("This isn't the fraction of the samples.", "Take the mean of one answer per sample.")
RADII = torch.tensor([0.5, 0.8, 1, 1.4, 0.05])  # in some sets the last ball is empty
ONE_RADIUS = ("All balls are given the same radius.", "Each ball has its own.")
OF_BALLS = ("This is the fraction of the balls that hold a sample.", "The samples are the rows.")
IN_ALL = ("A sample counts only if it lies in all balls at once.", "One is enough: any.")
EDGE = ("A sample on the edge of a ball doesn't count.", "Equation 5.10 says less or equal.")
NEAREST = ("Only the nearest ball is looked at.", "A larger one, farther away, may hold it.")
OUTSIDE_ONE = ("A sample counts if it is outside of some ball.", "Look at the comparison.")


def precision(distances, radii):
    return (distances <= radii).any(1).float().mean()


def balls(draw):
    radii = RADII * (1 + 0.1 * draw.uniform(5))
    distances = 0.1 + 4 * draw.uniform(draw.integers(400, 600), 5)
    distances[: draw.choice((0, 20))] *= 0.01  # in the others, every ball holds some
    outside = (distances > radii).all(1).nonzero()[:5, 0]
    distances[outside, 0] = radii[0]
    return distances, radii


def copy_rate(samples, held_out):
    nearer, equal = samples[:, None] < held_out, samples[:, None] == held_out
    return nearer.float().mean() + 0.5 * equal.float().mean()


TIES = ("Held-out digits against themselves don't give 1/2.", "What does a tie count?")
REVERSED = ("A copier comes out at 0.", "Count the pairs in which the sample is nearer.")
ONE_DISTANCE = ("All held-out digits get one distance.", "Compare all pairs.")


def score_draws(log_weight, mean, log_var, component, noise):
    scale = (log_var / 2).exp()
    z = mean[component] + scale[component] * noise
    log_density = Normal(mean, scale).log_prob(z[:, None]).sum(-1)
    return (log_weight + log_density).logsumexp(-1)


UNWEIGHTED = ("All components count alike.", "Add log_weight.")
UNMENDED = ("Both faults are still there.", "Look at one coordinate, then at two.")
OWN_COMPONENT = ("In the density each coordinate has a component of its own.", "Sum them first.")
SPREAD = ("The density is right. The draws have another spread.", "Sigma is exp(log_var / 2).")
BOTH_WIDE = ("Draws and density agree on exp(log_var), a variance.", "Sigma is its root, in both.")


def suspect_gain(prior, train, test, components):
    """A colleague's gain of a mixture over a prior in nats per code. Exercise 5.5 looks at it."""
    mixture = GaussianMixture.fit(test, components, seed=0)
    return (mixture.log_prob(test) - prior.log_prob(test)).mean().item()


M_STEP_LINES = {
    component_bound: {
        "component_bound(z, r, mean, covariance.inverse())": INVERTED,
        "component_bound(z, r, mean, covariance.diag().diag())": VARIANCES,
        "r @ MultivariateNormal(mean, covariance).log_prob(z).exp()": pairs.LOGARITHM,
        "component_bound(z, r, mean, covariance) + r.sum() * math.log(2 * math.pi) * 1.5": NO_2PI,
    },
    slope_in_mean: {"slope_in_mean(z, r, mean, covariance.inverse())": INVERTED},
    slope_in_precision: {
        "slope_in_precision(z, r, mean, covariance.inverse())": INVERTED,
        "-covariance.inverse() @ slope_in_precision(z, r, mean, covariance)"
        " @ covariance.inverse()": IN_COVARIANCE,
    },
}
EXERCISES = {
    "responsibilities": Exercise(
        "5.3",
        responsibilities,
        inputs=lambda draw: (draw.normal(3).log_softmax(-1), 3 * draw.normal(5, 3) + FAR),
        mistakes={
            "log_density.softmax(-1)": ("All components count alike.", "Add log_weight."),
            "(log_weight.exp() + log_density).softmax(-1)": ("This is no product.", "Add logs."),
            "(log_weight + log_density).softmax(0)": OVER_CODES,
            "gaussians.shares(log_weight, log_density, 0)": pairs.OUT_OF_RANGE,
            "gaussians.shares(log_weight, log_density, 0).nan_to_num(0)": NOBODY,
            "gaussians.shares(log_weight, log_density, 1e-8)": NOBODY,
            "gaussians.shares(0, (log_weight + log_density).exp().clamp(1e-30).log(), 0)": ANYBODY,
            "(log_weight * log_density).softmax(-1)": NO_PRODUCT,
            "log_weight.exp() * log_density.softmax(-1)": TOO_LATE,
            "torch.eye(3)[(log_weight + log_density).argmax(-1)]": HARD,
            "(log_weight + log_density).flatten().softmax(0).view_as(log_density)": TABLE,
            "(log_weight + log_density).exp()": ("They don't add up to 1.", "Divide by their sum."),
            "(log_weight + log_density).log_softmax(-1)": ("These are logarithms.", "Use softmax."),
            "(lambda a: a / a.sum(-1, keepdim=True))(log_weight + log_density)": LOGS,
        },
    ),
    **derivation("m_step_derived", "5.4", gaussians.one_component, M_STEP_LINES),
    "gaussian_m_step": Several(
        "5.5",
        gaussian_m_step,
        inputs=lambda draw: (draw.normal(9, 2), draw.normal(9, 3).softmax(-1)),
        parts={"weights": (3,), "means": (3, 2), "covariances": (3, 2, 2)},
        mistakes={
            "(r.sum(0), *gaussians.m_step(z, r)[1:])": NOT_SHARES,
            "gaussians.m_step(z, r, r.T @ z / len(z))": ALL_CODES,
            "gaussians.m_step(z, r, r.T @ z / 9, torch.tensor(9))": ALL_CODES,
            "(r.mean(0), r.T @ z / 9, gaussians.m_step(z, r)[2])": ALL_CODES,
            "gaussians.m_step(z, r, None, torch.tensor(9))": ALL_CODES,
            "gaussians.m_step(z, r, weight=0 * r + 1)": ALIKE,
            "gaussians.m_step(z, r, weight=r**2)": SQUARED,
            "gaussians.m_step(z, r, about=z.mean(0))": FROM_ALL,
            "gaussians.m_step(z, r, None, torch.ones(1))": SUMS,
            "gaussians.m_step(z, r, r.T @ z)": SUMS,
            "gaussians.m_step(z, r, z.mean(0).expand(3, 2))": ONE_MEAN,
            "gaussians.m_step(z, r, about=0)": FROM_ZERO,
            "(*gaussians.m_step(z, r)[:2], gaussians.m_step(z, r)[2] * torch.eye(2))": DIAGONAL,
        },
    ),
    "elbo_by_samples": Exercise(
        "",
        elbo_by_samples,
        inputs=lambda draw: tuple(draw.normal(3, 5, 4)),
        mistakes={
            "(log_likelihood + log_prior + log_q).mean(0)": ENTROPY,
            "(log_likelihood + log_prior).mean(0)": ("What q is costs nothing.", "Subtract log q."),
            "(log_likelihood - log_prior - log_q).mean(0)": PRIOR_SIGN,
            "(log_likelihood - log_q).mean(0)": ("The prior is missing.", "Add its logarithm."),
            "(log_likelihood + log_prior - log_q).sum(0)": pairs.SAMPLES_SUMMED,
            "(log_likelihood + log_prior - log_q).mean()": pairs.PER_EXAMPLE,
            "log_likelihood + log_prior - log_q": pairs.SAMPLES_KEPT,
            "-elbo_by_samples(log_likelihood, log_prior, log_q)": pairs.LOSS,
            "(log_likelihood + log_prior - log_q).logsumexp(0) - math.log(5)": OUTSIDE,
        },
    ),
    "importance_estimate": Exercise(
        "5.14",
        importance_estimate,
        inputs=lambda draw: (
            *(5 * draw.normal(6, 4) - 100, 3 * draw.normal(6, 4) - 20),
            *(draw.normal(6, 4, 3), 0.2 + 0.3 * draw.uniform()),
        ),
        mistakes={
            "importance_estimate(log_likelihood, log_prior, noise, 1.0)": STRETCH,
            "importance_estimate(log_likelihood, log_prior, noise, 1 / scale)": STRETCH,
            "importance_estimate(log_likelihood, log_prior, noise, scale ** (1 / 3))": ONE_AXIS,
            "importance_estimate(log_likelihood, log_prior, noise, scale**0.5)": VARIANCE,
            "(log_likelihood + log_prior).logsumexp(0) - math.log(6)": FLAT,
            "log_likelihood.logsumexp(0) - math.log(6)": FROM_PRIOR,
            "importance_estimate(log_likelihood, 0 * log_prior, noise, scale)": NO_PRIOR,
            "importance_estimate(log_likelihood, log_prior, noise, scale) + math.log(6)": A_SUM,
            "(log_likelihood + log_prior - Normal(0.0, scale).log_prob(noise).sum(-1))"
            ".logsumexp(0) - math.log(6)": AT_NOISE,
            "(log_likelihood + log_prior - Normal(0.0, 1.0).log_prob(noise).sum(-1)"
            " + 3 * math.log(scale)).mean(0)": INSIDE,
        },
    ),
    "precision": Exercise(
        "5.10",
        precision,
        inputs=balls,
        mistakes={
            "(distances <= radii).float().mean()": TWICE,
            "(distances <= radii).any(0).float().mean()": OF_BALLS,
            "(distances <= radii).all(1).float().mean()": IN_ALL,
            "(distances <= radii).any(1).float().sum()": FRACTION,
            "(distances <= radii).any(1).float()": FRACTION,
            "(distances < radii).any(1).float().mean()": EDGE,
            "(distances.min(1).values <= radii[distances.argmin(1)]).float().mean()": NEAREST,
            "(distances <= radii.max()).any(1).float().mean()": ONE_RADIUS,
            "(distances >= radii).any(1).float().mean()": OUTSIDE_ONE,
        },
    ),
    "copy_rate": Exercise(
        "5.12",
        copy_rate,
        inputs=lambda draw: (draw.integers(0, 6, (12,)).float(), draw.integers(2, 8, (9,)).float()),
        mistakes={
            "(samples[:, None] < held_out).float().mean()": TIES,
            "(samples[:, None] <= held_out).float().mean()": TIES,
            "1 - copy_rate(samples, held_out)": REVERSED,
            "(samples < held_out.median()).float().mean()": ONE_DISTANCE,
            "(samples < held_out.mean()).float().mean()": ONE_DISTANCE,
            "(samples < held_out.min()).float().mean()": ONE_DISTANCE,
            "(samples == 0).float().mean()": ("Add noise, and a copier escapes.", "Use held_out."),
        },
    ),
    "mixture_prior": Exercise(
        "5.2",
        score_draws,
        inputs=gaussians.draws_to_score,
        mistakes={
            "gaussians.published(log_weight, mean, log_var, component, noise)": UNMENDED,
            "gaussians.published(log_weight, mean, log_var, component, noise, 2)": OWN_COMPONENT,
            "gaussians.published(log_weight, mean, log_var, component, noise, 1, False)": SPREAD,
            "score_draws(0 * log_weight, mean, log_var, component, noise)": UNWEIGHTED,
            "score_draws(log_weight, mean, 2 * log_var, component, noise)": BOTH_WIDE,
        },
    ),
    "leaked_codes": Choice(
        "",
        answer="B",
        mistakes={
            "A": ("Then codes of digits would lose.", "Which argument has no effect?"),
            "C": ("Noise has no gain to double.", "Which argument has no effect?"),
            "D": ("Then a far training set would change it.", "Compare the last two lines."),
        },
    ),
    "recall_of_means": Choice(
        "",
        answer="C",
        mistakes={
            "A": ("Then 50 of them couldn't cover more.", "Compare the first two lines."),
            "B": ("Then precision would be low.", "Compare the first two lines."),
            "D": ("Then only the first column would change.", "Compare the columns."),
        },
    ),
}
