"""VAEs under a check: models of given weights, ELBOs with one thing changed, and loops."""

from labutils.exercises import pairs
from labutils.exercises.networks import classical_faults, loop, stepper, twice
from labutils.objectives import kl_diagonal_gaussian

import math
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F


def log_likelihood(model, z, x):
    """Eq. 3.2: z (L, batch, latent) to (L, batch)."""
    logits = model.decoder(z)
    return (x * logits - F.softplus(logits)).sum(-1)


def linear_model(encoder, decoder):
    """A layer each, of given weights: encoder (pixels, 2 latent), decoder (latent, pixels)."""
    return SimpleNamespace(
        encoder=lambda x: (x @ encoder).clamp(-8, 8).chunk(2, dim=-1), decoder=lambda z: z @ decoder
    )


def parts(f, noise=lambda e: e, z=lambda z: z, kl=kl_diagonal_gaussian):
    """The ELBO f(log-likelihoods (L, batch), KL terms (batch,)), perhaps with one part changed."""

    def other(model, x, eps):
        mean, log_var = model.encoder(x)
        code = z(mean + (log_var / 2).exp() * noise(eps))
        return f(log_likelihood(model, code, x), kl(mean, log_var))

    return other


def mean_of_both(ll, kl):
    return (ll.mean(0) - kl).mean()


right = parts(mean_of_both)


def by_std(model, x, eps):
    mean, log_var = model.encoder(x)
    z = mean + log_var.exp() * eps
    return mean_of_both(log_likelihood(model, z, x), kl_diagonal_gaussian(mean, log_var))


def by_probabilities(model, x, eps):
    given = SimpleNamespace(encoder=model.encoder, decoder=lambda z: model.decoder(z).sigmoid())
    return right(given, x, eps)


ELBO_MISTAKES = {
    parts(lambda ll, kl: -mean_of_both(ll, kl)): pairs.LOSS,
    parts(lambda ll, kl: (ll.mean(0) + kl).mean()): pairs.KL_ADDED,
    parts(lambda ll, kl: ll.mean()): pairs.KL_MISSING,
    parts(lambda ll, kl: (ll.mean(0) - kl).sum()): pairs.BATCH_SUMMED,
    parts(lambda ll, kl: (ll.sum(0) - kl).mean()): pairs.SAMPLES_SUMMED,
    parts(lambda ll, kl: (ll[0] - kl).mean()): pairs.FIRST_SAMPLE,
    parts(lambda ll, kl: ll - kl): pairs.SAMPLES_KEPT,
    parts(lambda ll, kl: ll.mean(0) - kl): (
        "Each image keeps a number of its own.",
        "Equation 3.8 is one number for the batch.",
    ),
    parts(lambda ll, kl: (ll.mean(0) / 6 - kl).mean()): (
        "The log-likelihood is one per pixel, the KL one per image.",
        "Sum over the pixels.",
    ),
    parts(lambda ll, kl: (ll.logsumexp(0) - math.log(len(ll)) - kl).mean()): pairs.LOG_OF_MEAN,
    parts(lambda ll, kl: (ll.logsumexp(0) - kl).mean()): (
        "The samples' likelihoods are added up, not averaged, and not their logarithms.",
        "Take the mean of the log-likelihoods: no logsumexp.",
    ),
    parts(lambda ll, kl: ll.mean() - kl.sum()): (
        "The KL is summed over the batch, the log-likelihood averaged.",
        "Both are means over the images.",
    ),
    parts(mean_of_both, noise=lambda e: e[:, :1]): (
        "All images of a batch share their noise.",
        "eps has a row for each sample and image.",
    ),
    by_std: ("The spread of z isn't that of q, whose KL is subtracted.", "Use reparameterise."),
    by_probabilities: (
        "The decoder's logits are squeezed by a sigmoid, then taken for logits once more.",
        "The formula of Hint 1 takes the decoder's output as it is.",
    ),
    parts(mean_of_both, noise=lambda e: 0 * e): (
        "z is the mean of q, so that its spread costs nothing.",
        "Use the noise.",
    ),
    parts(mean_of_both, kl=lambda m, v: kl_diagonal_gaussian(m, v) / 2): (
        "The KL is averaged over the latent dimensions.",
        "Equation 3.7 is a sum.",
    ),
    parts(lambda ll, kl: -(ll.mean(0) - kl).sum()): (
        "This is a loss, and it grows with the batch.",
        "Return the mean of the ELBO itself.",
    ),
}


class Tiny(nn.Module):
    """Five pixels, two latent dimensions."""

    def __init__(self):
        super().__init__()
        self.first, self.decoder = nn.Linear(5, 4), nn.Linear(2, 5)

    def encoder(self, x):
        return self.first(x).chunk(2, dim=-1)


def ten_batches(weights, x, eps):
    """What the loop is called with: a model, pairs of images and noise, an optimiser."""
    model = Tiny().to(weights.dtype)
    nn.utils.vector_to_parameters(0.2 * weights, model.parameters())
    optimiser = torch.optim.SGD(model.parameters(), lr=0.02)
    return model, list(zip(x, eps, strict=True)), optimiser


def minus_elbo(model, x, eps):
    return -right(model, x, eps)


LOOP_MISTAKES = {
    **classical_faults(minus_elbo),
    twice(stepper(minus_elbo)): (
        "Each batch is used twice.",
        "The exercise asks for one step per batch.",
    ),
    loop(stepper(right)): ("The ELBO falls: it steps downhill.", "Losses are minimised."),
    loop(lambda *_: None): (
        "The weights are those from before: no step was taken.",
        "Which of the three calls of a step is missing?",
    ),
}


# four ELBOs, each with one fault: functions of a model, images, mean and log_var of q, noise
def suspect(f):
    def bound(model, x, mean, log_var, eps):
        q = SimpleNamespace(encoder=lambda _: (mean, log_var), decoder=model.decoder)
        return f(q, x, eps)

    return bound


SUSPECTS = {
    "A": suspect(parts(mean_of_both, noise=lambda e: e[:, :1])),
    "B": suspect(by_std),
    "C": suspect(parts(lambda ll, kl: (ll.mean(0) / 784 - kl).mean())),
    "D": suspect(parts(mean_of_both, z=torch.Tensor.detach)),
}
