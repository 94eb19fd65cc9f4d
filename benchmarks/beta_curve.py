"""The curve of beta in notebook 03: rate, distortion, ELBO, samples, and the aggregate posterior.

A 20-dimensional Gaussian VAE on 10,000 digits for each beta and three seeds, scored on all test
digits, binarised once. Frechet distances compare 5,000 images in the feature space of notebook
05: pixels drawn from the model with the binarised test digits, means with the grey ones.
"""

import labutils as lab
from labutils.quality import DigitFeatures

from dataclasses import replace

import torch
from torch.distributions import kl_divergence

BETAS, LATENT = (0.1, 0.3, 1, 2, 3, 10, 30), 20
SAMPLES, COMPONENTS = 5_000, 20
COLUMNS = ("rate", "distortion", "ELBO", "active", "drawn", "means", "KL of q(z)", "AUROC")


def main():
    digits = lab.load(source="mnist")
    small = replace(digits, train=digits.train[:10_000], validation=digits.validation[:1_000])
    x_test = lab.Scoreboard(digits).images
    unseen = lab.binarize(digits.train.images[-20_000:], torch.Generator().manual_seed(0))
    features = DigitFeatures(lab.trained("classifier", digits)[0], digits.train)
    drawn, grey = features(x_test), features(digits.test.images)
    others = digits.train.images[-SAMPLES:]
    floor = lab.frechet_distance(features(lab.binarize(others)), drawn)
    print(f"training digits for samples: drawn {floor:.1f}, "
          f"means {lab.frechet_distance(features(others), grey):.1f}")  # fmt: skip
    print("beta  ", *(f"{name:>20}" for name in COLUMNS))
    for beta in BETAS:
        rows = []
        for seed in range(3):
            model = train(small, beta, seed)
            with torch.no_grad(), lab.seeded(seed):
                rows.append(
                    [
                        *nats(model, x_test),
                        *frechet(model, features, drawn, grey),
                        *aggregate(model, unseen, x_test),
                    ]
                )
        table = torch.tensor(rows)
        cells = zip(table.mean(0), table.amin(0), table.amax(0), strict=True)
        row = [f"{mean:6.2f} ({low:.2f}, {high:.2f})" for mean, low, high in cells]
        print(f"{beta:<6}", *(f"{cell:>20}" for cell in row), flush=True)


def train(data, beta, seed):
    def loss(model, images, labels):
        x = lab.binarize(images)
        q = model.posterior(x)
        rate = kl_divergence(q, model.prior)
        return (beta * rate - model.likelihood(q.rsample()).log_prob(x)).mean()

    with lab.seeded(seed):
        model = lab.GaussianVAE(LATENT, 200)
    lab.fit(model, loss, data, epochs=12, batch_size=250, learning_rate=1.2e-2, seed=seed)
    return model


def nats(model, x):
    """Rate, distortion, ELBO with beta = 1, active units: for images x."""
    q = model.posterior(x)
    rate = kl_divergence(q, model.prior).mean().item()
    bound = torch.cat([lab.elbo(model, some) for some in x.split(1_000)]).mean().item()
    return rate, -bound - rate, bound, int((q.mean.var(0) > 0.01).sum())


def frechet(model, features, drawn, grey):
    """Of drawn pixels from binarised test digits, and of means from grey ones."""
    likelihood = model.likelihood(model.prior.sample((SAMPLES,)))
    return (
        lab.frechet_distance(features(likelihood.sample()), drawn),
        lab.frechet_distance(features(likelihood.mean), grey),
    )


def aggregate(model, others, x):
    """How far q(z), of digits that the model has not seen, is from the prior.

    A mixture of Gaussians is fitted to codes of `others`. The mean of log mixture(z) - log p(z)
    over the codes of x is at most KL(q(z) || p(z)); the same number tells codes from draws of the
    prior, AUROC 0.5 if it cannot.
    """
    codes, z = (model.posterior(images).sample() for images in (others, x))
    mixture = lab.GaussianMixture.fit(codes, COMPONENTS, seed=0)
    ratio, of_prior = (
        mixture.log_prob(some) - model.prior.log_prob(some)
        for some in (z, model.prior.sample((len(z),)))
    )
    return ratio.mean().item(), lab.auroc(ratio, of_prior)


if __name__ == "__main__":
    main()
