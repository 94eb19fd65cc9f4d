"""The exercises of notebook 01: densities, flows, energies, EM, the chain rule and audits."""

from labutils.exercises import pairs
from labutils.exercises.kinds import Exercise, derivation

import math

import torch

LOWEST = ("The result is lowest at the mean. A density is highest there.", "Look for a minus sign.")
WIDE = ("A wide Gaussian is as high as a narrow one: not both integrate to 1.", "Add log_var.")
RAW = ("The variance is a term. Eq. 1.2 has its logarithm.", "log_var is that already.")
CONSTANT = ("This density integrates to 2.5, not to 1.", "The constant, log 2 pi, is missing.")
PEAK = ("It is 1 at the mean, however wide: its integral varies.", "Two terms are missing.")
CLASSES = ("These are classes. Eq. 1.6 gives each a probability.", "Normalise: leave out argmax.")
OVER_EXAMPLES = ("A class adds up to 1 over the examples.", "Normalise over the last axis.")
VARIANCE = ("The squared distance isn't divided by the variance.", "That is log_var.exp().")


def gaussian_log_density(x, mean, log_var):
    return -0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var.exp())


# near, far below what exp can represent, and far from each other
FAR = torch.tensor([[0.0, 0, 0], [-7, -9, -8], [-800, -802, -799], [-100, -1200, -2100]])


def bayes_rule(log_p_x_given_y, log_prior):
    log_joint = log_p_x_given_y + log_prior
    return log_joint - log_joint.logsumexp(-1, keepdim=True)


ONE_PRIOR = ("The denominator lacks the prior.", "Equation 1.6 divides by the sum of numerators.")
SLOPES = torch.tensor([-2.0, -0.5, 0.2, 0.5, 2, 3])
THINS = ("Where the map stretches, the density rises. Mass is kept: it has to thin.", "Subtract.")
DECREASING = ("For a decreasing map this is nan.", "Take the absolute value of the slope first.")
NO_LOGARITHM = ("A slope is subtracted from a logarithm.", "Take the slope's logarithm too.")
HALVES = ("A slope of 4 only halves the density, not quarters it.", "Subtract the whole logarithm.")
DIVIDED = ("The slope divides the density, not its logarithm.", "Subtract logarithms.")


def change_of_variables(log_p_z, slope):
    return log_p_z - slope.abs().log()


DOWNHILL = ("The walk goes downhill. Samples gather where f is high.", "Look at a sign.")
ANY_STEP = ("However small the step, it climbs equally far.", "Multiply the gradient by step.")
HALF_STEP = ("Many papers write it so: Eq. 1.13 with half the step.", "Put 2 * step for step.")
NOISE = ("With noise of this size the walk settles elsewhere.", "Its variance is twice the step.")


def langevin_step(x, gradient, step, noise):
    return x + step * gradient + math.sqrt(2 * step) * noise


def expected_log_likelihood(p, q):
    return (p * q.log()).sum()


def entropy(p, q):
    return -(p * p.log()).sum()


def kl(p, q):
    return (p * (p / q).log()).sum()


ORDER = ("The stretch is undone first. The layer stretched before it shifted.", "Shift first.")
WAY = ("This is the way from z to x, which draws samples.", "Eq. 1.8 goes from x to z.")
TWICE = ("What the layer stretched is stretched once more.", "Look at the sign of s.")
SCALE = ("A logarithm, which may be negative, is taken for the scale.", "Take its exponential.")
COLUMN = ("A column (N, 1) and a vector (N,) make a table (N, N).", "Use x[:, 1] for x_2.")
MOVED = ("It moves the coordinate that the network sees.", "Move x_2, which is x[:, 1].")


def coupling(x, shift, log_scale):
    z_2 = (x[:, 1] - shift) * (-log_scale).exp()
    return torch.stack([z_2, x[:, 0]], -1)


UPHILL = ("A lower loss makes the data less probable.", "Losses are minimised: look at the signs.")
NOT_LOG_Z = ("Samples of p itself don't give log Z this way.", "The gradient has the mean of f.")


def energy_loss(f_of_data, f_of_samples):
    return f_of_samples.mean() - f_of_data.mean()


NEVER_INKED = ("A pixel that was never inked becomes impossible.", "Add the imagined pixels.")
ALL_IMAGES = ("A component answers for a share of the images, not all.", "Divide by its sum of r.")
IMAGINED = ("The imagined pixels are not those of Eq. 1.16.", "Alpha above, 2 alpha below.")


def m_step(x, r, alpha):
    black = r.T @ x
    return (alpha + black) / (2 * alpha + r.sum(0)[:, None])


SEES = ("A pixel sees itself: then it has no need to guess.", "The diagonal is masked as well.")
TRIANGLE = ("A pixel sees those after it, not those before.", "weight[d, j] counts for j < d.")
AFTER = ("A pixel sees those after it, and they see it.", "Keep the lower triangle, transposed.")


def belief_logits(x, weight, offset):
    return x @ weight.tril(-1).T + offset


SPREAD = ("The spread of the samples isn't that of the density.", "Sigma is exp(log_var / 2).")


def mixture_sampler(mean, log_var, component, noise):
    return mean[component] + (log_var[component] / 2).exp() * noise


NATS = torch.tensor([-200.0, -100, 20])  # a log-density may be positive
SIGN = ("A probable image needs more bits than an improbable one.", "The sign is flipped.")
NOT_BITS = ("A fair coin, -0.693 nats, doesn't come out as one bit.", "A bit is log 2 nats.")


def bpd(nats):
    return -nats / (784 * math.log(2))


EXERCISES = {
    "gaussian_log_density": Exercise(
        "1.2",
        gaussian_log_density,
        inputs=lambda draw: (draw.normal(5), draw.normal(1), draw.normal(5)),
        gradient=("mean", "log_var"),
        mistakes={
            "-gaussian_log_density(x, mean, log_var)": LOWEST,
            "2 * gaussian_log_density(x, mean, log_var)": pairs.HALF_MISSING,
            "-math.log(2 * math.pi) - log_var - 0.5 * (x - mean) ** 2 / log_var.exp()": (
                pairs.HALF_OF_SOME
            ),
            "-0.5 * math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var.exp()": (
                pairs.HALF_OF_SOME
            ),
            "gaussian_log_density(x, mean, log_var) + 0.5 * log_var": WIDE,
            "gaussian_log_density(x, mean, log_var) + 0.5 * (log_var - log_var.exp())": RAW,
            "-0.5 * (log_var + (x - mean) ** 2 / log_var.exp())": CONSTANT,
            "gaussian_log_density(x, mean, 2 * log_var)": pairs.LOG_STD,
            "-0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var)": VARIANCE,
            "-0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2)": VARIANCE,
            "-0.5 * (math.log(2 * math.pi) + log_var.abs().log() + (x - mean) ** 2 / log_var)": (
                VARIANCE
            ),
            "-0.5 * (x - mean) ** 2 / log_var.exp()": PEAK,
            "gaussian_log_density(x, mean, log_var).exp()": pairs.LOGARITHM,
            "gaussian_log_density(x, mean, log_var).mean()": pairs.PER_EXAMPLE,
            "gaussian_log_density(x, mean, log_var).sum()": pairs.PER_EXAMPLE,
        },
    ),
    **derivation(
        "likelihood_split",
        "1.4",
        inputs=lambda draw: tuple(draw.normal(2, 7).double().softmax(-1)),
        lines={expected_log_likelihood: {}, entropy: {}, kl: {}},
    ),
    "bayes_rule": Exercise(
        "1.6",
        bayes_rule,
        inputs=lambda draw: (
            (3 * draw.normal(4, 3) + FAR).double(),
            draw.normal(3).double().log_softmax(-1),
        ),
        mistakes={
            "log_p_x_given_y.log_softmax(-1)": ("The classes count alike.", "Add the prior."),
            "(log_p_x_given_y + log_prior.exp()).log_softmax(-1)": (
                "A product of probabilities is a sum of logarithms. What is added here isn't one.",
                "log_prior is a logarithm already: add it as it is.",
            ),
            "(log_p_x_given_y + log_prior).argmax(-1)": CLASSES,
            "log_p_x_given_y + log_prior": ("It doesn't add up to 1.", "Subtract its logsumexp."),
            "(log_p_x_given_y + log_prior).log_softmax(0)": OVER_EXAMPLES,
            "(log_p_x_given_y + log_prior).softmax(-1)": pairs.LOGARITHM,
            "(log_p_x_given_y + log_prior).softmax(-1).log()": pairs.OUT_OF_RANGE,
            "(lambda p: (p / p.sum(1, keepdim=True)).log())((log_p_x_given_y + log_prior).exp())": (
                pairs.OUT_OF_RANGE
            ),
            "log_prior + log_p_x_given_y.log_softmax(-1)": ONE_PRIOR,
        },
    ),
    "change_of_variables": Exercise(
        "1.7",
        change_of_variables,
        inputs=lambda draw: (draw.normal(6), SLOPES * (1 + 0.5 * draw.uniform(6))),
        mistakes={
            "log_p_z + slope.abs().log()": THINS,
            "log_p_z - slope.log()": DECREASING,
            "log_p_z - slope.abs()": NO_LOGARITHM,
            "log_p_z - slope": NO_LOGARITHM,
            "log_p_z - 0.5 * slope.abs().log()": HALVES,
            "log_p_z / slope": DIVIDED,
            "log_p_z / slope.abs()": DIVIDED,
            "log_p_z.exp() / slope.abs()": pairs.LOGARITHM,
            "log_p_z": ("Stretching doesn't thin the density.", "The slope is missing."),
        },
    ),
    "coupling": Exercise(
        "1.8",
        coupling,
        inputs=lambda draw: (draw.normal(5, 2), *draw.normal(2, 5)),
        gradient=("shift", "log_scale"),
        mistakes={
            "torch.stack([x[:, 1] * (-log_scale).exp() - shift, x[:, 0]], -1)": ORDER,
            "torch.stack([x[:, 1] * log_scale.exp() + shift, x[:, 0]], -1)": WAY,
            "torch.stack([(x[:, 1] - shift) * log_scale.exp(), x[:, 0]], -1)": TWICE,
            "torch.stack([(x[:, 1] - shift) / log_scale, x[:, 0]], -1)": SCALE,
            "torch.cat([(x[:, 1:] - shift) * (-log_scale).exp(), x[:, :1]], -1)": COLUMN,
            "coupling(x, shift, log_scale).flip(-1)": ("The next layer moves z_2 again.", "Swap."),
            "torch.stack([(x[:, 0] - shift) * (-log_scale).exp(), x[:, 1]], -1)": MOVED,
        },
    ),
    "langevin_step": Exercise(
        "1.13",
        langevin_step,
        inputs=lambda draw: (*draw.normal(2, 4, 2), 0.02 + 0.2 * draw.uniform(), draw.normal(4, 2)),
        mistakes={
            "x - step * gradient + math.sqrt(2 * step) * noise": DOWNHILL,
            "x + step * gradient + step * noise": NOISE,
            "x + step * gradient + math.sqrt(step) * noise": NOISE,
            "x + step * gradient + 2 * step * noise": NOISE,
            "x + step * gradient + noise": NOISE,
            "x + step / 2 * gradient + math.sqrt(step) * noise": HALF_STEP,
            "step * gradient + math.sqrt(2 * step) * noise": ("It forgets where it was.", "Add x."),
            "x + step * gradient": ("It climbs to a mode and stays.", "The noise is missing."),
            "x + gradient + math.sqrt(2 * step) * noise": ANY_STEP,
        },
    ),
    "energy_loss": Exercise(
        "",
        energy_loss,
        inputs=lambda draw: (draw.normal(6), draw.normal(4)),
        gradient=("f_of_data", "f_of_samples"),
        mistakes={
            "-energy_loss(f_of_data, f_of_samples)": UPHILL,
            "f_of_samples.sum() - f_of_data.sum()": pairs.BATCH_SUMMED,
            "-f_of_data.mean()": ("Nothing holds f, and Z, down.", "Push f down at the samples."),
            "f_of_samples.exp().mean().log() - f_of_data.mean()": NOT_LOG_Z,
            "f_of_samples.mean() + f_of_data.mean()": ("Both go down.", "f is to rise at data."),
        },
    ),
    "m_step": Exercise(
        "1.16",
        m_step,
        inputs=lambda draw: (draw.bits(6, 5), draw.normal(6, 3).softmax(-1), 0.1 + draw.uniform()),
        mistakes={
            "(r.T @ x) / r.sum(0)[:, None]": NEVER_INKED,
            "(alpha + r.T @ x) / (alpha + r.sum(0)[:, None])": IMAGINED,
            "(r.T @ x) / (2 * alpha + r.sum(0)[:, None])": IMAGINED,
            "(2 * alpha + r.T @ x) / (2 * alpha + r.sum(0)[:, None])": IMAGINED,
            "(alpha + r.T @ x) / (2 * alpha + len(x))": ALL_IMAGES,
            "(alpha + r.T @ x) / len(x)": ALL_IMAGES,
            "m_step(x, r, alpha).T": ("Pixels are in the rows.", "Components first: r.T @ x."),
            "alpha + r.T @ x": ("These are counts, and may exceed 1.", "Divide by the total."),
        },
    ),
    "belief_logits": Exercise(
        "1.18",
        belief_logits,
        inputs=lambda draw: (draw.bits(7, 5), draw.normal(5, 5), draw.normal(5)),
        mistakes={
            "x @ weight.T + offset": AFTER,
            "x @ weight.tril().T + offset": SEES,
            "x @ weight.tril(1).T + offset": AFTER,
            "x @ weight.tril(-1) + offset": TRIANGLE,
            "x @ weight.triu(1).T + offset": TRIANGLE,
            "x @ weight.tril(-2).T + offset": ("The pixel just before is not seen.", "tril(-1)."),
            "x @ weight.tril(-1).T": ("The first pixel is a fair coin.", "Add the offset."),
            "belief_logits(x, weight, offset).sigmoid()": ("Probabilities.", "Leave out sigmoid."),
        },
    ),
    "mixture_sampler": Exercise(
        "",
        mixture_sampler,
        inputs=lambda draw: (*draw.normal(2, 3, 2), draw.integers(0, 3, (6,)), draw.normal(6, 2)),
        mistakes={
            "mean[component] + log_var[component].exp() * noise": SPREAD,
            "mean[component] + log_var[component].abs().sqrt() * noise": SPREAD,
            "mean[component] + noise": ("All components are equally wide.", "Scale the noise."),
            "mean[component] + (log_var[component] / 2).exp()": ("They all agree.", "Use noise."),
        },
    ),
    "bits_per_dimension": Exercise(
        "1.14",
        bpd,
        inputs=lambda draw: (NATS * (1 + draw.uniform(3)),),
        mistakes={
            "-bpd(nats)": SIGN,
            "nats / 784": SIGN,
            "-nats / 784": NOT_BITS,
            "-nats / (784 * 2)": NOT_BITS,
            "-nats / 784 * math.log(2)": NOT_BITS,
            "-nats / math.log(2)": ("A larger image costs more.", "Divide by its pixels."),
            "bpd(nats).abs()": ("A density above 1 costs fewer than 0 bits.", "Flip the sign."),
            "-nats / (28 * math.log(2))": ("Only 28 pixels are counted.", "There are 28 x 28."),
        },
    ),
}
