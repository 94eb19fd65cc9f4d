"""What happens in the collapse of notebook 04 (section 9): gradients, logits and weights.

The model, data and settings of collapse.py for three epochs, measured on 500 test digits with the
exact ELBO. Beside the default start: a decoder that starts at the mean image, an encoder that
sees images minus their mean, and an encoder that is held for the first 100 steps.
"""

from labutils import (
    BernoulliVAE,
    Scoreboard,
    binarize,
    fit,
    load,
    objectives,
    seeded,
    start_at_mean,
)

from copy import deepcopy
from dataclasses import replace

import torch
from collapse import information
from torch.distributions import Bernoulli, Independent
from torch.nn import functional as F

STARTS = ("default", "mean image", "centred input", "encoder held")
STEPS = (0, 10, 20, 50, 100, 150, 236)  # of 237
FLAT = 4.0  # beyond this logit the slope of the sigmoid is below 0.018; at 0 it is 0.25
COLUMNS = "g_enc   g_dec   |logit|  flat    slope   pull    agree   weight  offset  information"


def main():
    digits = load(source="mnist")
    small = replace(digits, train=digits.train[:10_000], validation=digits.validation[:1_000])
    watched = Scoreboard(digits).images[:500]
    for start in STARTS:
        table = torch.tensor([trajectory(small, watched, start, seed) for seed in range(3)])
        print(f"{start}, mean of three seeds (range of the last column)\nstep  {COLUMNS}")
        for step, row, last in zip(STEPS, table.mean(0), table[..., -1].T, strict=True):
            numbers = " ".join(f"{value:7.3f}" for value in row)
            print(f"{step:4} {numbers}  ({last.min():.2f} to {last.max():.2f})", flush=True)


def trajectory(data, watched, start, seed):
    """What measure() says before each of STEPS: (steps, columns)."""
    with seeded(seed):
        model = BernoulliVAE(8, None)
    mean = data.train.images.mean(0)
    if start == "mean image":
        start_at_mean(model, data.train.images)
    if start == "centred input":
        model.encoder.register_forward_pre_hook(lambda layer, inputs: inputs[0] - mean)
    hold, rows, step = 100 * (start == "encoder held"), [], 0

    def loss(model, images, labels):
        nonlocal step
        if model.training:
            if step in STEPS:
                rows.append(measure(model, watched))
            model.encoder.requires_grad_(step >= hold)
            step += 1
        return -objectives.exact_elbo(model, binarize(images)).mean()

    fit(model, loss, data, epochs=3, batch_size=128, learning_rate=8e-3, seed=seed)
    return rows


def measure(model, x):
    """The COLUMNS, for images x; in double precision, since slopes get tiny."""
    double, x = deepcopy(model).double().requires_grad_(), x.double()
    double.zero_grad()
    objectives.exact_elbo(double, x).mean().backward()
    encoder, decoder = map(gradient_norm, (double.encoder, double.decoder))
    logits = double.encoder(x).detach().requires_grad_()
    slope = (logits.sigmoid() * (-logits).sigmoid()).detach()
    # E[log p(x given z)] is linear in each probability: its slope is the difference that the bit
    # makes, g(1) - g(0) of Eq. 4.8, averaged over the other bits
    decoded = double.decoder(objectives.all_codes(8).double())
    g = decoded @ x.T - F.softplus(decoded).sum(-1, keepdim=True)  # (codes, images)
    q = Independent(Bernoulli(logits=logits), 1)
    expected = objectives.expectation(lambda z: g.detach(), q)
    (gradient,) = torch.autograd.grad(expected.sum(), logits)
    pull, agreement = gradient / slope, gradient.mean(0).abs() / gradient.abs().mean(0)
    weights, offsets = double.decoder.parameters()
    size, flat = logits.abs().median(), (logits.abs() > FLAT).double().mean()
    row = [size, flat, slope.mean(), pull.abs().mean(), agreement.mean()]
    row += [weights.square().mean().sqrt(), offsets.mean()]
    return [encoder, decoder, *(number.item() for number in row), information(model, x.float())]


def gradient_norm(network):
    return torch.cat([w.grad.flatten() for w in network.parameters()]).norm().item()


if __name__ == "__main__":
    main()
