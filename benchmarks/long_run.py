"""How far the linear model with 200 bits of notebook 04 goes when it is trained for longer.

    python benchmarks/long_run.py [--epochs N] [--estimator NAME] [--learning-rate R] [--test]

784-200-784 without hidden layers, trained on MNIST's 50,000 training images with dynamic
binarisation. Printed are the ELBO with hard bits and the importance-weighted bound with
K = 1000, of the validation or, with --test, of the test digits, each binarised once.
"""

from labutils import (
    BernoulliVAE,
    binarize,
    elbo,
    elbo_and_gain,
    estimators,
    fit,
    load,
    start_at_mean,
)

import argparse
import math
from functools import partial

import torch

COUNT, SAMPLES = 500, 1000  # digits and samples of the bound
SINGLE = ("gumbel_softmax", "straight_through")  # need one decoded code only


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    names = ["score_function", "leave_one_out", "disarm", *SINGLE]
    parser.add_argument("--estimator", choices=names, default="gumbel_softmax")
    parser.add_argument("--learning-rate", type=float, default=2e-2)
    parser.add_argument("--test", action="store_true", help="score the test digits")
    options = parser.parse_args()

    digits = load(source="mnist")
    model, history = train(digits, options)
    seconds = sum(history.seconds)  # of training, also where a kept run goes on
    split = digits.test if options.test else digits.validation
    x = binarize(split.images, torch.Generator().manual_seed(0))
    bound, gain = elbo_and_gain(model, x, COUNT, SAMPLES)
    error = gain.std() / math.sqrt(len(gain))
    print(f"{options.estimator}, {options.epochs} epochs in {seconds:.0f} s, best {history.best}")
    print(f"{'test' if options.test else 'validation'} ELBO with hard bits {bound.mean():.2f} nats")
    print(f"K = {SAMPLES} bound {bound.mean() + gain.mean():.2f} ± {error:.2f} nats (aim: -107.2)")


def train(digits, options):
    objective = getattr(estimators, options.estimator)
    if options.estimator in SINGLE:
        objective = partial(objective, num_samples=1)

    def loss(model, images, labels):
        return -(objective if model.training else elbo)(model, binarize(images)).mean()

    torch.manual_seed(0)
    model = start_at_mean(BernoulliVAE(200, None), digits.train.images)
    settings = {"batch_size": 128, "learning_rate": options.learning_rate, "seed": 0}
    return model, fit(model, loss, digits, epochs=options.epochs, name="long", **settings)


if __name__ == "__main__":
    main()
