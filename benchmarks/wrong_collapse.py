"""A collapse that optimisation causes, at beta = 1, and what mends it, for notebook 03.

A 20-dimensional Gaussian VAE whose decoder has eight hidden layers, on 10,000 digits: the rate and
the ELBO of all test digits, binarised once, after the same training with and without a remedy.
"""

import labutils as lab
from labutils.recipes import negative_elbo

from dataclasses import replace
from functools import partial

import torch
from torch import nn
from torch.distributions import kl_divergence

LATENT, WIDTH, DEPTH = 20, 200, 8  # DEPTH: hidden layers of the decoder
SETTINGS = {"batch_size": 100, "learning_rate": 3e-3}  # the rate at its peak
REMEDIES = {
    "none": {"epochs": 12},
    "He's start": {"epochs": 12, "he": True},
    "KL warm-up": {"epochs": 12, "warm_up": 0.5},
    "free bits": {"epochs": 12, "free": 5.0},
    "none, for longer": {"epochs": 36},
}


def main():
    digits = lab.load(source="mnist")
    small = replace(digits, train=digits.train[:10_000], validation=digits.validation[:1_000])
    x_test = lab.Scoreboard(digits).images
    for name, remedy in REMEDIES.items():
        for seed in range(3):
            rate, bound, seconds = train_and_score(small, x_test, seed, **remedy)
            line = f"rate {rate:6.3f}  ELBO {bound:8.2f} nats  {seconds:4.1f} s"
            print(f"{name:17} seed {seed}  {line}", flush=True)


def train_and_score(data, x_test, seed, epochs, he=False, **remedy):
    with lab.seeded(seed):
        model = deep_vae(data.train.images, he)
    loss = partial(weighted_loss, **remedy)
    history = lab.fit(
        model, loss, data, epochs=epochs, seed=seed, validation_loss=negative_elbo, **SETTINGS
    )
    with torch.no_grad(), lab.seeded(seed):
        rate = kl_divergence(model.posterior(x_test), model.prior).mean().item()
        bound = torch.cat([lab.elbo(model, x) for x in x_test.split(1_000)]).mean().item()
    return rate, bound, sum(history.seconds)


def deep_vae(images, he):
    """The VAE of notebook 03 with a deeper decoder, which starts at the mean of the images.

    he: whether its hidden weights start as large as ReLUs need (He et al., 2015), which pass a
    signal on at its size. PyTorch's own start makes it about 2.4 times smaller in each layer.
    """
    model = lab.GaussianVAE(LATENT, WIDTH)
    layers = [nn.Linear(LATENT, WIDTH), nn.ReLU()]
    for _ in range(DEPTH - 1):
        layers += [nn.Linear(WIDTH, WIDTH), nn.ReLU()]
    if he:
        for layer in layers[::2]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    model.decoder = nn.Sequential(*layers, nn.Linear(WIDTH, images.shape[1]))
    return lab.start_at_mean(model, images)


def weighted_loss(model, images, labels, progress, warm_up=0.0, free=0.0):
    """Minus Eq. 3.14, with a beta that rises from 0 to 1 in the share `warm_up` of the training.

    The first `free` nats of a batch's mean KL cost nothing (Kingma et al., 2016, for all latent
    dimensions together).
    """
    x = lab.binarize(images)
    posterior = model.posterior(x)
    kl = kl_divergence(posterior, model.prior).mean().clamp(min=free)
    beta = min(1.0, progress / warm_up) if warm_up else 1.0
    return beta * kl - model.likelihood(posterior.rsample()).log_prob(x).mean()


if __name__ == "__main__":
    main()
