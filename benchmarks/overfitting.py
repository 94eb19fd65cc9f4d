"""Whether the VAE overfits less than an autoencoder, for notebook 03, on other seeds and digits.

The networks and settings of section 7: two latent dimensions, 1,000 training digits, 40 epochs.
Reconstructions decode the code, or the mean of q; 1,000 other digits are trained on with each seed.
"""

import labutils as lab

from dataclasses import replace

import torch
from torch.nn import functional as F


def main():
    digits = lab.load(source="mnist")
    x_test = lab.Scoreboard(digits).images
    for seed in range(3):
        train = digits.train[1_000 * seed : 1_000 * (seed + 1)]
        few = replace(digits, train=train, validation=digits.validation[:200])
        with lab.seeded(seed):
            seen = lab.binarize(train.images)
        for build, loss in (
            (lab.AutoEncoder, reconstruction_loss),
            (lab.GaussianVAE, lab.recipes.negative_elbo),
        ):
            torch.manual_seed(seed)
            model = build(latent_dim=2, hidden_dim=400)
            lab.fit(model, loss, few, epochs=40, batch_size=50, learning_rate=5e-3, seed=seed)
            with torch.no_grad():
                on_seen, on_test = (nats(model, x).item() for x in (seen, x_test))
                outside = (code(model, x_test).norm(dim=1) > 2.45).float().mean()
            print(f"seed {seed}  {build.__name__:11}  training {on_seen:.1f}  test {on_test:.1f}  "
                  f"gap {on_test - on_seen:.1f} nats  outside the circle {outside:.1%}",
                  flush=True)  # fmt: skip


def code(model, x):
    return model.encode(x) if isinstance(model, lab.AutoEncoder) else model.posterior(x).mean


def nats(model, x):
    """The cross-entropy of reconstructions, summed over pixels, the mean over images."""
    logits = model.decoder(code(model, x))
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1).mean()


def reconstruction_loss(model, images, labels):
    return nats(model, lab.binarize(images))


if __name__ == "__main__":
    main()
