"""The exercises of notebook 03: the KL term, encoder and decoder, ELBO, loop, audits, a bound."""

from labutils.exercises import pairs, vaes
from labutils.exercises.kinds import Choice, Exercise, Loop, Module, derivation

import math

import torch
from torch import nn
from torch.nn import functional as F


def expected_log_q(mean, log_var):
    return -0.5 * (math.log(2 * math.pi) + log_var + 1)


def expected_log_p(mean, log_var):
    return -0.5 * (math.log(2 * math.pi) + log_var.exp() + mean**2)


def kl_of_each(mean, log_var):
    return 0.5 * (log_var.exp() + mean**2 - 1 - log_var)


VARIANCE = ("log_var is taken for the variance or for sigma.", "The variance is its exponential.")
CONSTANT = ("A constant of the Gaussian's logarithm is missing.", "It is -log(2 pi) / 2.")
SQUARE = (
    "The square in the exponent is left out, or taken at the mean of q.",
    "The mean of (z - mu)^2 under q is sigma^2.",
)
LINES = {
    expected_log_q: {
        "-expected_log_q(mean, log_var)": ("This is the entropy, E[-log q(z)].", "Flip the sign."),
        "expected_log_q(mean, log_var) + 0.5": SQUARE,
        "expected_log_q(mean, log_var) + 0.5 * math.log(2 * math.pi)": CONSTANT,
        "expected_log_q(mean, 2 * log_var)": pairs.LOG_STD,
        "-0.5 * (math.log(2 * math.pi) + log_var + log_var.exp())": (
            "(z - mu)^2 / sigma^2 doesn't depend on sigma once its mean is taken.",
            "It is divided by the variance: which number is left?",
        ),
    },
    expected_log_p: {
        "expected_log_p(mean, log_var) + 0.5 * log_var.exp()": (
            "z is taken at the mean of q, so that the spread of q costs nothing.",
            "The mean of z^2 is mu^2 plus the variance.",
        ),
        "expected_log_p(0 * mean, log_var)": (
            "The mean of q costs nothing, wherever it is.",
            "The mean of z^2 is mu^2 plus the variance.",
        ),
        "expected_log_p(mean, log_var) + 0.5 * math.log(2 * math.pi)": CONSTANT,
        "expected_log_p(mean, 2 * log_var)": pairs.LOG_STD,
        "-0.5 * (math.log(2 * math.pi) + log_var + mean**2)": VARIANCE,
    },
    kl_of_each: {"-kl_of_each(mean, log_var)": pairs.NEGATIVE_KL},
}
TOO_NARROW = ("As sigma shrinks to 0, the result doesn't grow.", "Look at log sigma squared.")

PRIOR = ("The divergence of the prior from itself isn't 0.", "There is a -1 in the bracket.")
ONCE = (
    "The 1 is subtracted once, so that more dimensions cost more even where q is the prior.",
    "Each dimension has its own -1: it belongs inside the sum.",
)
MEAN = ("A mean further from 0 doesn't always cost more.", "The square of the mean is added.")


def kl_gaussian(mean, log_var):
    return 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum(-1)


SIGMA = ("The standard deviation of z isn't sigma.", "Multiply the noise by exp(log_var / 2).")
CENTRE = ("z scatters around 0, whatever the encoder says.", "Add the mean, outside the product.")


def reparameterise(mean, log_var, eps):
    return mean + (log_var / 2).exp() * eps


class Decoder(nn.Module):
    def __init__(self, latent_dim, hidden_dim, pixels=784):
        super().__init__()
        self.hidden = nn.Linear(latent_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, pixels)

    def forward(self, z):
        return self.output(F.relu(self.hidden(z)))


def decoder(forward):
    """The class with forward(decoder, z) in the place of the answer's."""
    return type("Other", (Decoder,), {"forward": forward})


PROBABILITIES = ("These are probabilities, or squeezed. Eq. 3.2 takes logits.", "No sigmoid here.")
LINEAR = ("The two layers multiply out into one matrix.", "There is a ReLU between them.")
ACTIVATION = ("The hidden units aren't those of lab.GaussianVAE.", "Their activation is a ReLU.")


def elbo(model, x, eps):
    mean, log_var = model.encoder(x)
    z = reparameterise(mean, log_var, eps)
    logits = model.decoder(z)
    of_each = (x * logits - F.softplus(logits)).sum(-1)
    return (of_each.mean(0) - kl_gaussian(mean, log_var)).mean()


def train_vae(model, batches, optimiser):
    for x, eps in batches:
        optimiser.zero_grad()
        (-elbo(model, x, eps)).backward()
        optimiser.step()


SHOWN = {
    "A": "The batch mean of A doesn't settle as the batch grows; its other three audits pass.",
    "B": "B exceeds the exact value, though its units and its gradient are right.",
    "C": "C gives the nats of one fair coin, 0.7, for an image of 784.",
    "D": "The value of D is that of a right ELBO, but its gradient isn't that of its value.",
}


def audited(letter):
    """The choice of a suspect; each other one gets what its audits show."""
    others = {
        other: (shown, "Look for the column in which one suspect stands out.")
        for other, shown in SHOWN.items()
        if other != letter
    }
    return Choice("3.8", letter, mistakes=others)


ELBO = ("Logarithms are averaged: more samples don't tighten this.", "Average the weights.")
NOT_A_MEAN = ("With equal weights, the result depends on K.", "Divide by K: subtract log K.")


def importance_weighted(log_weight):
    return log_weight.logsumexp(0) - math.log(len(log_weight))


EXERCISES = {
    **derivation(
        "kl_lines",
        "3.7",
        inputs=lambda draw: tuple(draw.normal(2, 4, 3).double()),
        lines=LINES,
    ),
    "kl_gaussian": Exercise(
        "3.7",
        kl_gaussian,
        # the first row has no nan where log_var is taken for a variance
        inputs=lambda draw: (
            draw.normal(4, 3),
            torch.cat([draw.positive(1, 3), draw.normal(3, 3)]),
        ),
        gradient=("mean", "log_var"),
        mistakes={
            "-kl_gaussian(mean, log_var)": pairs.NEGATIVE_KL,
            "kl_gaussian(mean, log_var) / mean.shape[-1]": pairs.DIMENSIONS_AVERAGED,
            "kl_gaussian(mean, log_var).mean()": pairs.PER_EXAMPLE,
            "kl_gaussian(mean, log_var).sum()": pairs.PER_EXAMPLE,
            "0.5 * (log_var.exp() + mean**2 - 1 - log_var)": pairs.DIMENSIONS_KEPT,
            "2 * kl_gaussian(mean, log_var)": pairs.HALF_MISSING,
            "(0.5 * log_var.exp() + mean**2 - 1 - log_var).sum(-1)": pairs.HALF_OF_SOME,
            "kl_gaussian(mean, 2 * log_var)": pairs.LOG_STD,
            "0.5 * (log_var.exp() ** 2 + mean**2 - 1 - log_var).sum(-1)": pairs.LOG_STD,
            "0.5 * (log_var + mean**2 - 1 - log_var.log()).sum(-1)": VARIANCE,
            "0.5 * (log_var**2 + mean**2 - 1 - (log_var**2).log()).sum(-1)": VARIANCE,
            "0.5 * (log_var.exp() + mean**2 - 1).sum(-1)": TOO_NARROW,
            "0.5 * (log_var.exp() + mean**2 - 1 + log_var).sum(-1)": TOO_NARROW,
            "0.5 * (log_var.exp() + mean**2 - log_var).sum(-1)": PRIOR,
            "0.5 * (log_var.exp() + mean**2 + 1 - log_var).sum(-1)": PRIOR,
            "0.5 * ((log_var.exp() + mean**2 - log_var).sum(-1) - 1)": ONCE,
            "0.5 * (log_var.exp() + mean**2 - log_var).sum(-1) - 1": ONCE,
            "0.5 * (log_var.exp() + mean - 1 - log_var).sum(-1)": MEAN,
            "0.5 * (log_var.exp() - mean**2 - 1 - log_var).sum(-1)": MEAN,
            "0.5 * (log_var.exp() - 1 - log_var).sum(-1)": MEAN,
            "0.5 * ((1 + mean**2) / log_var.exp() - 1 + log_var).sum(-1)": (pairs.KL_REVERSED),
            "kl_gaussian(mean.mT, log_var.mT)": (
                "The images are added up, so that each latent dimension has a result of its own.",
                "Sum over the last axis, the latent one.",
            ),
            "kl_gaussian(mean, log_var)[:, None]": (
                "An axis of length 1 is left. Subtracted from (batch,), it gives a square table.",
                "Leave out keepdim: the sum takes the last axis away.",
            ),
        },
    ),
    "reparameterise": Exercise(
        "3.9",
        reparameterise,
        inputs=lambda draw: tuple(draw.normal(3, 4, 3)),
        gradient=("mean", "log_var"),
        mistakes={
            "mean + log_var.exp() * eps": pairs.LOG_STD,
            "mean + log_var * eps": SIGMA,
            "mean + log_var / 2 * eps": SIGMA,
            "mean + (2 * log_var).exp() * eps": SIGMA,
            "mean + log_var.exp() / 2 * eps": SIGMA,
            "mean + log_var.sqrt() * eps": SIGMA,
            "mean + log_var.abs().sqrt() * eps": SIGMA,
            "mean + (-log_var / 2).exp() * eps": SIGMA,
            "mean + eps": SIGMA,
            "mean + (log_var / 2).exp() + eps": SIGMA,
            "mean + log_var.exp() + eps": SIGMA,
            "mean + (log_var / 2).exp()": ("z isn't random.", "The noise is missing."),
            "mean + (log_var / 2).exp() * eps[0]": (
                "All examples share their noise, so that their samples depend on each other.",
                "Each example has a row of eps of its own.",
            ),
            "(eps - mean) / (log_var / 2).exp()": (
                "This is the way back: it turns a z into the noise that it came from.",
                "Multiply the noise by sigma, then add the mean.",
            ),
            "(log_var / 2).exp() * eps": CENTRE,
            "(mean + (log_var / 2).exp()) * eps": CENTRE,
        },
    ),
    "vae_decoder": Module(
        "3.2",
        Decoder,
        inputs=lambda draw: ((2, draw.integers(3, 6), 5), draw.normal(3, 2)),
        mistakes={
            decoder(lambda m, z: m.output(m.hidden(z))): LINEAR,
            decoder(lambda m, z: m.output(F.relu(m.hidden(z))).sigmoid()): PROBABILITIES,
            decoder(lambda m, z: m.output(F.relu(m.hidden(z))).relu()): pairs.NEVER_NEGATIVE,
            decoder(lambda m, z: m.output(torch.tanh(m.hidden(z)))): ACTIVATION,
            decoder(lambda m, z: m.output(torch.sigmoid(m.hidden(z)))): ACTIVATION,
            decoder(lambda m, z: m.output(F.softplus(m.hidden(z)))): ACTIVATION,
            decoder(lambda m, z: m.output(F.gelu(m.hidden(z)))): ACTIVATION,
            decoder(lambda m, z: m.output(F.leaky_relu(m.hidden(z)))): ACTIVATION,
        },
    ),
    "elbo": Exercise(
        "3.8",
        elbo,
        inputs=lambda draw: (
            *(draw.normal(6, 4) / 2, draw.normal(2, 6) / 2),
            *(draw.bits(4, 6), draw.normal(3, 4, 2)),
        ),
        given=lambda encoder, decoder, x, eps: (vaes.linear_model(encoder, decoder), x, eps),
        gradient=("encoder", "decoder"),
        mistakes=vaes.ELBO_MISTAKES,
    ),
    "train_vae": Loop(
        "",
        train_vae,
        inputs=lambda draw: (draw.normal(39), draw.bits(10, 6, 5), draw.normal(10, 1, 6, 2)),
        given=vaes.ten_batches,
        mistakes=vaes.LOOP_MISTAKES,
    ),
    "audit.units": audited("C"),
    "audit.bound": audited("B"),
    "audit.gradient": audited("D"),
    "audit.noise": audited("A"),
    "importance_weighted": Exercise(
        "3.11",
        importance_weighted,
        inputs=lambda draw: (3 * draw.normal(7, 3) - torch.tensor([130.0, 140, 5]),),
        mistakes={
            "log_weight.mean(0)": ELBO,
            "log_weight.mean(0) - math.log(len(log_weight))": ELBO,
            "log_weight.logsumexp(0)": NOT_A_MEAN,
            "log_weight.logsumexp(0) + math.log(len(log_weight))": NOT_A_MEAN,
            "log_weight.logsumexp(0) - len(log_weight)": NOT_A_MEAN,
            "log_weight.logsumexp(0) - math.log(log_weight.shape[1])": NOT_A_MEAN,
            "log_weight.logsumexp(0) / len(log_weight)": NOT_A_MEAN,
            "log_weight.logsumexp(0) - math.log(10)": NOT_A_MEAN,
            "log_weight.logsumexp(0) - math.log2(len(log_weight))": NOT_A_MEAN,
            "log_weight.logsumexp(0) - math.log(log_weight.numel())": (
                "The result falls as the batch grows: it is divided by the number of all weights.",
                "Divide by the number of samples, len(log_weight).",
            ),
            "log_weight.amax(0)": (
                "Only the largest weight counts, as if it were the mean of all.",
                "Average the weights: logsumexp, minus log K.",
            ),
            "(log_weight.softmax(0) * log_weight).sum(0)": (
                "Logarithms of weights are averaged. The bound is the logarithm of an average.",
                "Every weight counts alike: logsumexp, minus log K.",
            ),
            "(log_weight.exp().mean(0) + 1e-8).log()": pairs.EPSILON,
            "(log_weight.exp().mean(0) + 1e-10).log()": pairs.EPSILON,
            "(log_weight.exp().mean(0) + 1e-12).log()": pairs.EPSILON,
            "log_weight.exp().mean(0).log()": pairs.OUT_OF_RANGE,
            "log_weight.exp().mean(0)": pairs.LOGARITHM,
            "log_weight.logsumexp(1) - math.log(log_weight.shape[1])": (
                "The weights of different images are averaged: each sample gets a bound.",
                "The samples are on the first axis.",
            ),
            "importance_weighted(log_weight).mean()": pairs.PER_EXAMPLE,
            "-importance_weighted(log_weight)": pairs.LOSS,
        },
    ),
}
