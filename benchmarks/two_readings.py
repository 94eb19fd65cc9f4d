"""The likelihood of the autoencoder read as coins beside the VAE's, for notebook 05.

K = 1000 bounds on log p(x), Eq. 5.14, with the encoder's q and with one fitted to each digit: all
test digits, binarised once, for seed 0 of the networks, and every tenth of them for two others. And
the steepness of edges of reconstructions, with the cross-entropy and with the squared error.
"""

import labutils as lab

from dataclasses import asdict
from types import SimpleNamespace

import torch
from torch.distributions import Bernoulli, Independent, Normal

SCALES = (0.3, 0.4, 0.5, 0.6, 0.7)


def main():
    digits = lab.load(source="mnist")
    x_test = lab.Scoreboard(digits).images
    with lab.seeded(0):
        x_valid = lab.binarize(digits.validation.images[:200])
    for seed, x in enumerate((x_test, x_test[::10], x_test[::10])):
        ae, vae = (
            lab.trained(name, digits, seed=seed)[0] for name in ("autoencoder", "gaussian_vae")
        )
        blur(digits, ae, seed)
        with torch.no_grad(), lab.seeded(seed):
            prior = lab.GaussianMixture.fit(ae.encode(digits.train.images[:10_000]), 50, seed=seed)
            reads = [read_as_coins(ae, prior, scale) for scale in SCALES]
            best = max(reads, key=lambda read: lab.importance_bound(read, x_valid, 100).mean())
        bounds = {}
        for name, model in (("VAE", vae), ("AE", best)):
            for part in x.split(1_000):
                with lab.seeded(seed):
                    for q, each in (("encoder's", model), ("fitted", fit_posterior(model, part))):
                        with torch.no_grad():
                            values = lab.importance_bound(each, part, 1000)
                        bounds.setdefault((name, q), []).append(values)
        bounds = {key: torch.cat(parts) for key, parts in bounds.items()}
        for q in ("encoder's", "fitted"):
            ahead = bounds["VAE", q] - bounds["AE", q]
            nats = ", ".join(f"{name} {mean(bounds[name, q])}" for name in ("VAE", "AE"))
            print(f"seed {seed}, {len(x)} digits, {q} q: {nats}, ahead {mean(ahead)}", flush=True)


def mean(values):
    return f"{values.mean():.2f} ± {lab.half_width(values):.2f}"


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


def squared_error(model, images, labels):
    return (model(images) - images).square().sum(-1).mean()


def steepness(images):
    """Of edges, as in section 5: sum g^2 / sum |g| over differences g of neighbouring pixels."""
    x = images.view(-1, 28, 28)
    g = torch.cat([x.diff(dim=1).flatten(1), x.diff(dim=2).flatten(1)], 1)
    return g.square().sum(1) / g.abs().sum(1)


if __name__ == "__main__":
    main()
