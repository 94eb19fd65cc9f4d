"""The curve of beta in notebook 03: rate, distortion, ELBO, samples, and the aggregate posterior.

A 20-dimensional Gaussian VAE on 10,000 digits for each beta and three seeds, scored on all test
digits, binarised once. Frechet distances compare 5,000 images in the feature space of notebook
05: pixels drawn from the model with the binarised test digits, means with the grey ones. The
mixture of Gaussians is fitted to codes of digits that the model has not seen: how far from the
prior are they, and are samples better whose codes it draws?
"""

import labutils as lab
from labutils.quality import DigitFeatures

from dataclasses import replace

import torch
from torch.distributions import kl_divergence

BETAS, LATENT = (0.1, 0.3, 1, 2, 3, 10, 30), 20
SAMPLES, COMPONENTS = 5_000, 20
COLUMNS = ("rate", "distortion", "ELBO", "active", "drawn", "means", "mixture", "KL of q(z)")


def main():
    digits = lab.load(source="mnist")
    small = replace(digits, train=digits.train[:10_000], validation=digits.validation[:1_000])
    x_test = lab.Scoreboard(digits).images
    unseen = lab.binarize(digits.train.images[-20_000:], torch.Generator().manual_seed(0))
    features = DigitFeatures(lab.trained("classifier", digits)[0], digits.train)
    drawn, grey = features(x_test), features(digits.test.images)
    others = digits.train.images[-SAMPLES:]
    floor = lab.frechet_distance(features(unseen[-SAMPLES:]), drawn)
    print(f"training digits for samples: drawn {floor:.1f}, "
          f"means {lab.frechet_distance(features(others), grey):.1f}")  # fmt: skip
    print("beta  ", *(f"{name:>20}" for name in COLUMNS))
    for beta in BETAS:
        rows = []
        for seed in range(3):
            model = train(small, beta, seed)
            with torch.no_grad(), lab.seeded(seed):
                codes = model.posterior(unseen).sample()
                mixture = lab.GaussianMixture.fit(codes, COMPONENTS, seed=seed)
                row = nats(model, x_test), quality(model, features, drawn, grey, mixture)
                rows.append([*row[0], *row[1], distance(model, mixture, x_test)])
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


def quality(model, features, drawn, grey, mixture):
    """Frechet distances: of drawn pixels and of means, and of pixels with codes of the mixture."""
    likelihood = model.likelihood(model.prior.sample((SAMPLES,)))
    ex_post = model.likelihood(mixture.sample((SAMPLES,))).sample()
    return (
        lab.frechet_distance(features(likelihood.sample()), drawn),
        lab.frechet_distance(features(likelihood.mean), grey),
        lab.frechet_distance(features(ex_post), drawn),
    )


def distance(model, mixture, x):
    """Of q(z) from p(z), at least: the mean of log mixture(z) - log p(z) over codes z of x."""
    z = model.posterior(x).sample()
    return (mixture.log_prob(z) - model.prior.log_prob(z)).mean().item()


if __name__ == "__main__":
    main()
