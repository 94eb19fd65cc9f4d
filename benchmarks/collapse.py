"""Whether the collapse of notebook 04 (section 9) mends itself when training goes on.

The linear model with 8 bits on 10,000 digits, with the exact gradient and the default start: the
information that its codes carry about 500 test digits (Eq. 4.7, by enumeration), along 20 epochs.
"""

from labutils import BernoulliVAE, Scoreboard, binarize, fit, load, objectives, seeded

import math
from dataclasses import replace

import torch
from torch import Tensor

EPOCHS, EVERY = 20, 160  # EVERY: steps between two measurements


def main():
    digits = load(source="mnist")
    small = replace(digits, train=digits.train[:10_000], validation=digits.validation[:1_000])
    watched = Scoreboard(digits).images[:500]
    for seed in range(3):
        notes = informations(small, watched, seed)
        at = "  ".join(f"{EVERY * k}: {nats:.2f}" for k, nats in enumerate(notes))
        print(f"seed {seed}, information in nats at step  {at}")


def informations(data, watched, seed):
    with seeded(seed):
        model = BernoulliVAE(8, None)
    steps, notes = 0, []

    def loss(model, images, labels):
        nonlocal steps
        if steps % EVERY == 0:
            notes.append(information(model, watched))
        steps += 1
        return -objectives.exact_elbo(model, binarize(images)).mean()

    fit(model, loss, data, epochs=EPOCHS, batch_size=128, learning_rate=8e-3, seed=seed)
    return [*notes, information(model, watched)]


@torch.no_grad()
def information(model: BernoulliVAE, x: Tensor) -> float:
    """I of Eq. 4.7 in nats: the mean KL of the posteriors of x from their average."""
    log_q = model.posterior(x).log_prob(objectives.all_codes(8)[:, None])  # (codes, images)
    log_average = log_q.logsumexp(1, keepdim=True) - math.log(len(x))
    return (log_q.exp() * (log_q - log_average)).sum(0).mean().item()


if __name__ == "__main__":
    main()
