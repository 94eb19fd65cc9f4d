"""The likelihood of the autoencoder read as coins beside the VAE's, for notebook 05.

K = 1000 bounds on log p(x), Eq. 5.14, with the encoder's q and with one fitted to each digit, on
all test digits, binarised once. Before that, for three seeds, the steepness of edges of
reconstructions, with the cross-entropy and with the squared error; and of the first seed after two
more epochs with the squared or the absolute error. Takes about ten minutes.
"""

import labutils as lab

from dataclasses import asdict
from types import SimpleNamespace

import torch
from torch.distributions import Bernoulli, Distribution, Independent, Normal

SCALES = (0.3, 0.4, 0.5, 0.6, 0.7)


def main():
    digits = lab.load(source="mnist")
    for seed in range(3):
        blur(digits, lab.trained("autoencoder", digits, seed=seed)[0], seed)
    for loss in (squared_error, absolute_error):
        tune(digits, lab.trained("autoencoder", digits)[0], loss)
    x_test = lab.Scoreboard(digits).images
    ae, vae = (lab.trained(name, digits)[0] for name in ("autoencoder", "gaussian_vae"))
    with torch.no_grad(), lab.seeded(0):
        x_valid = lab.binarize(digits.validation.images[:200])
        mixture = lab.GaussianMixture.fit(ae.encode(digits.train.images[:10_000]), 50, seed=0)
        reads = {scale: read_as_coins(ae, Mixture(mixture), scale) for scale in SCALES}
        scores = {s: lab.importance_bound(read, x_valid, 100).mean() for s, read in reads.items()}
    scale = max(scores, key=scores.get)
    print(f"a scale of {scale} for the encoder's q is best on 200 validation digits", flush=True)
    models, bounds = {"VAE": vae, "AE": reads[scale]}, {}
    for part in x_test.split(1_000):
        for name, model in models.items():
            with lab.seeded(1):
                for q, each in (("encoder's", model), ("fitted", fit_posterior(model, part))):
                    with torch.no_grad():
                        values = lab.importance_bound(each, part, 1000)
                    bounds.setdefault((name, q), []).append(values)
    bounds = {key: torch.cat(parts) for key, parts in bounds.items()}
    for q in ("encoder's", "fitted"):
        ahead = bounds["VAE", q] - bounds["AE", q]
        nats = ", ".join(f"{name} {mean(bounds[name, q])}" for name in models)
        print(f"{q} q: {nats}, VAE ahead {mean(ahead)}, paired", flush=True)


def mean(values):
    return f"{values.mean():.2f} ± {lab.half_width(values):.2f}"


class Mixture(Distribution):
    """Its log-density (samples, batch) as one product of matrices; log_prob takes 50 times as long.

    log w_k N(z; m_k, C_k) is linear in the entries of z z^T, z and 1. In float64: terms cancel.
    """

    def __init__(self, mixture):
        super().__init__(event_shape=mixture.event_shape, validate_args=False)
        parts = mixture.component_distribution
        precision, mean = parts.precision_matrix.double(), parts.loc.double()
        slope = torch.einsum("kij,kj->ki", precision, mean)
        at_mean = mixture.mixture_distribution.logits.double() + parts.log_prob(parts.loc).double()
        level = at_mean - (slope * mean).sum(-1) / 2
        self.table = torch.cat([-precision.flatten(1) / 2, slope, level[:, None]], 1).T

    def expand(self, batch_shape):
        return self  # the same for every image

    def log_prob(self, z):
        z = z.double()
        squares = (z[..., None] * z[..., None, :]).flatten(-2)
        terms = torch.cat([squares, z, torch.ones_like(z[..., :1])], -1)
        return (terms @ self.table).logsumexp(-1).float()


def read_as_coins(ae, prior, scale):
    """Eq. 5.13, with q = N(code, scale^2 I)."""
    return SimpleNamespace(
        prior=prior,
        posterior=lambda x: Independent(Normal(ae.encode(x), scale), 1),
        likelihood=lambda z: Independent(Bernoulli(logits=ae.decoder(z)), 1),
    )


def fit_posterior(model, x, steps=200):
    """The model with a Gaussian q of its own for each image: gradient ascent on the ELBO."""
    with torch.no_grad():
        guess = model.posterior(x).base_dist
    table = [each.clone().requires_grad_() for each in (guess.mean, guess.variance.log())]
    mean, log_var = table
    own = SimpleNamespace(
        prior=model.prior,
        posterior=lambda x: Independent(Normal(mean, (log_var / 2).exp()), 1),
        likelihood=model.likelihood,
    )
    optimizer = torch.optim.Adam(table, lr=0.03)
    for _ in range(steps):
        optimizer.zero_grad()
        (-lab.elbo(own, x, 2).sum()).backward(inputs=table)
        optimizer.step()
    return own


def blur(digits, ae, seed):
    settings = asdict(lab.recipes.RECIPES["autoencoder"]().mnist) | {"seed": seed}
    with lab.seeded(seed):
        squares = lab.AutoEncoder(latent_dim=16, hidden_dim=400)
    lab.fit(squares, squared_error, digits, **settings)
    x = digits.test.images[:1_000]
    with torch.no_grad():
        before, after = (steepness(model(x)).mean().item() for model in (ae, squares))
    print(f"seed {seed}: steepness {before:.4f}, with the squared error {after:.4f}, "
          f"{after / before - 1:+.1%}", flush=True)  # fmt: skip


def tune(digits, ae, loss):
    lab.fit(ae, loss, digits, epochs=2, batch_size=250, learning_rate=3e-3, seed=0)
    with torch.no_grad():
        value = steepness(ae(digits.test.images[:1_000])).mean()
    print(f"two more epochs, {loss.__name__}: steepness {value:.3f}", flush=True)


def absolute_error(model, images, labels):
    return (model(images) - images).abs().sum(-1).mean()


def squared_error(model, images, labels):
    return (model(images) - images).square().sum(-1).mean()


def steepness(images):
    """Of edges, as in section 5: sum g^2 / sum |g| over differences g of neighbouring pixels."""
    x = images.view(-1, 28, 28)
    g = torch.cat([x.diff(dim=1).flatten(1), x.diff(dim=2).flatten(1)], 1)
    return g.square().sum(1) / g.abs().sum(1)


if __name__ == "__main__":
    main()
