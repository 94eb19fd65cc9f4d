"""How many of 50 dimensions a Gaussian VAE uses, and what each costs: notebook 03 has only 20."""

import labutils as lab
from labutils.recipes import RECIPES, negative_elbo

from dataclasses import asdict

import torch
from torch.distributions import kl_divergence

SEEDS = 3


def main():
    digits = lab.load(source="mnist")
    x = lab.Scoreboard(digits).images
    settings = asdict(RECIPES["gaussian_vae"]().mnist)
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        model = lab.start_at_mean(lab.GaussianVAE(50, 400), digits.train.images)
        lab.fit(model, negative_elbo, digits, **settings | {"seed": seed + SEEDS})
        with torch.no_grad():
            posterior = model.posterior(x)
            rates = kl_divergence(posterior.base_dist, model.prior.base_dist).mean(0)
            active = (posterior.mean.var(0) > 0.01).sum()
            elbo = lab.elbo(model, x).mean()
        print(
            f"seed {seed}: ELBO {elbo:.2f}, rate {rates.sum():.2f} nats, {active} active; by size"
        )
        print(*(f"{rate:.2f}" for rate in rates.sort(descending=True).values))


if __name__ == "__main__":
    main()
