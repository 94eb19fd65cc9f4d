"""bernoulli_vae_8 of notebook 04 after training by estimator, over three seeds.

ELBO and log p(x) of all test digits, binarised once, in nats, by enumeration.
"""

import labutils as lab
from labutils.objectives import exact_elbo, exact_log_likelihood

import torch

ESTIMATORS = (
    "exact",
    "score_function",
    "leave_one_out",
    "disarm",
    "straight_through",
    "gumbel_softmax",
)
SEEDS = 3


def main():
    digits = lab.load(source="mnist")
    x_test = lab.Scoreboard(digits).images
    for name in ESTIMATORS:
        for seed in range(SEEDS):
            model, _ = lab.trained("bernoulli_vae_8", digits, seed=seed, estimator=name)
            with torch.no_grad():
                bound, log_p = (
                    torch.cat([objective(model, x) for x in x_test.split(1_000)]).mean()
                    for objective in (exact_elbo, exact_log_likelihood)
                )
            print(f"{name:17} seed {seed}  ELBO {bound:.2f}  log p(x) {log_p:.2f}", flush=True)


if __name__ == "__main__":
    main()
