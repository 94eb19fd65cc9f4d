"""The weight of the score in notebook 04: log p(x given z) beside log p(x, z) - log q(z given x).

The course weighs the score with the first and differentiates the KL exactly; the released code of
DisARM, ARMS and ARM, and Pyro, weigh it with the second. For leave-one-out and DisARM: the ratio of
the variances (theirs / ours) of the gradient with respect to the logits of 100 test digits, whether
the means agree, and the trained models of bernoulli_vae_8 scored by enumeration.
"""

import labutils as lab
from labutils import estimators, recipes

from dataclasses import replace
from functools import partial

import torch
from torch.distributions import Bernoulli, Independent

ESTIMATORS = {"leave-one-out": estimators.leave_one_out, "DisARM": estimators.disarm}
SEEDS, DRAWS, AT_ONCE = 2, 2_000, 200


def main():
    digits = lab.load(source="mnist")
    x_test = lab.Scoreboard(digits).images
    for seed in range(SEEDS):
        late, _ = lab.trained("bernoulli_vae_8", digits, seed=seed)
        for stage, model in {"early": early_model(digits, seed), "late": late}.items():
            for name, estimator in ESTIMATORS.items():
                compare(f"seed {seed} {stage:5} {name:13}", estimator, model, x_test[::100], seed)
    for name, estimator in ESTIMATORS.items():
        for weight, objective in {"ours": estimators.bits_elbo, "theirs": joint_elbo}.items():
            for seed in range(SEEDS):
                model = train(digits, partial(objective, estimator), seed)
                with torch.no_grad():
                    of_each = [lab.objectives.exact_elbo(model, x) for x in x_test.split(1_000)]
                bound = torch.cat(of_each).mean().item()
                print(f"trained: {name} {weight} seed {seed}: ELBO {bound:.2f}", flush=True)


def joint_elbo(estimator, model, x, num_samples=2):
    """bits_elbo with their weight: log q(z given x) is detached, since its score has mean zero."""
    q = model.posterior(x)
    fixed = Independent(Bernoulli(logits=q.base_dist.logits.detach()), 1)

    def g(z):
        return model.likelihood(z).log_prob(x) + model.prior.log_prob(z) - fixed.log_prob(z)

    return estimator(g, q.base_dist.logits, num_samples)


def train(digits, objective, seed, epochs=3, batch_size=256, learning_rate=8e-3):
    """As the recipe bernoulli_vae_8, with another objective."""

    def loss(model, images, labels):
        return -objective(model, lab.binarize(images)).mean()

    with lab.seeded(seed):
        model = lab.start_at_mean(lab.BernoulliVAE(8, 100), digits.train.images)
    lab.fit(model, loss, digits, epochs=epochs, batch_size=batch_size, seed=seed,
            learning_rate=learning_rate, validation_loss=recipes.negative_elbo)  # fmt: skip
    return model


def early_model(digits, seed):
    """As in notebook 04: one epoch on 10,000 digits, with the exact gradient."""
    small = replace(digits, train=digits.train[:10_000], validation=digits.validation[:1_000])
    return train(small, lab.objectives.exact_elbo, seed, epochs=1, learning_rate=2e-3)


def compare(title, estimator, model, x, seed):
    with lab.seeded(seed):
        ours, theirs = (
            gradients(partial(objective, estimator), model, x)
            for objective in (estimators.bits_elbo, joint_elbo)
        )
    variances = [each.var(0).sum(-1) for each in (ours, theirs)]  # of each image
    ratio = variances[1].sum() / variances[0].sum()
    residuals = (variances[1] - ratio * variances[0]) / variances[0].mean()
    undecided = model.posterior(x).variance > 0.05  # rarer bits are not seen often enough
    error = ((ours.var(0) + theirs.var(0)) / DRAWS).sqrt()
    z = ((ours - theirs).mean(0) / error)[undecided]
    print(f"{title} theirs / ours {ratio:.3f} ± {lab.half_width(residuals):.3f}, means: largest "
          f"of {len(z)} z-scores {z.abs().max():.1f}, their rms {z.square().mean().sqrt():.2f}",
          flush=True)  # fmt: skip


def gradients(objective, model, x):
    """Draws of the gradient with respect to the logits of x: (draws, images, bits)."""
    logits = model.encoder(x).detach()
    drawn = []
    for _ in range(DRAWS // AT_ONCE):  # many copies of the images at once: one draw for each
        table = logits.repeat(AT_ONCE, 1).requires_grad_()
        value = objective(WithLogits(model, table), x.repeat(AT_ONCE, 1)).sum()
        drawn.append(torch.autograd.grad(value, table)[0].view(AT_ONCE, *logits.shape))
    return torch.cat(drawn)


class WithLogits:
    """A BernoulliVAE with a table of logits in the place of its encoder."""

    def __init__(self, model, logits):
        self.prior, self.likelihood, self.logits = model.prior, model.likelihood, logits

    def posterior(self, x):
        return Independent(Bernoulli(logits=self.logits), 1)


if __name__ == "__main__":
    main()
