"""Whether the orders of notebook 05 hold on other seeds, and how many components more codes carry.

By the seed of the networks: the Fréchet distance of decoded samples from 10,000 test digits, under
each density of their codes. For seed 0: the log-density of validation codes by the size of the
mixture and the number of codes that it is fitted to.
"""

from labutils import GaussianMixture, binarize, frechet_distance, load, seeded, trained
from labutils.quality import DigitFeatures

import torch
from torch.distributions import MultivariateNormal

SIZES, COUNTS = (50, 100, 200), (10_000, 50_000)


@torch.no_grad()
def main():
    digits = load(source="mnist")
    space = DigitFeatures(trained("classifier", digits)[0], digits.train)
    for seed in range(3):
        distances = by_density(digits, space, seed)
        print(f"seed {seed}:", ", ".join(f"{name} {d:.1f}" for name, d in distances.items()))
    ae, _ = trained("autoencoder", digits)
    train, held_out = ae.encode(digits.train.images), ae.encode(digits.validation.images)
    for count in COUNTS:
        for size in SIZES:
            mixture = GaussianMixture.fit(train[:count], size, seed=0)
            nats = torch.cat([mixture.log_prob(some) for some in held_out.split(500)]).mean()
            print(f"{count:,} codes, {size} components: {nats:.2f} nats per held-out code")


def by_density(digits, space, seed):
    """The Fréchet distance for each density, of networks that were trained with this seed."""
    ae, vae = (trained(name, digits, seed=seed)[0] for name in ("autoencoder", "gaussian_vae"))
    known = ae.encode(digits.train.images[:10_000])
    standard = MultivariateNormal(torch.zeros(16), torch.eye(16))
    with seeded(seed):
        codes = vae.posterior(binarize(digits.train.images[:10_000])).sample()
    one, fifty, mixed = (
        GaussianMixture.fit(z, size, seed=0) for z, size in ((known, 1), (known, 50), (codes, 50))
    )
    real, count = space(digits.test.images), len(digits.test)
    with seeded(seed):
        return {
            name: frechet_distance(space(decode(density.sample((count,)))), real)
            for name, decode, density in (
                ("AE + N(0, I)", ae.decode, standard),
                ("AE + one Gaussian", ae.decode, one),
                ("AE + mixture", ae.decode, fifty),
                ("Gaussian VAE", lambda z: vae.likelihood(z).mean, vae.prior),
                ("Gaussian VAE + mixture", lambda z: vae.likelihood(z).mean, mixed),
            )
        }


if __name__ == "__main__":
    main()
