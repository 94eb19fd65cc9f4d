"""How far the linear model with 200 bits, quoted in notebook 04, goes when trained for longer.

    python benchmarks/long_run.py [--epochs N] [--estimator NAME] [--learning-rate R] [--test]

784-200-784 without hidden layers, trained on MNIST's 50,000 training images with dynamic
binarisation. Printed are the ELBO with hard bits and the importance-weighted bound with
K = 1000, of the validation or, with --test, of the test digits, each binarised once.
"""

import labutils as lab

import argparse

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

    digits = lab.load(source="mnist")
    model, history = train(digits, options)
    split = digits.test if options.test else digits.validation
    x = lab.binarize(split.images, torch.Generator().manual_seed(0))
    bound, gain = lab.elbo_and_gain(model, x, COUNT, SAMPLES)
    seconds = sum(history.seconds)
    print(f"{options.estimator}, {options.epochs} epochs in {seconds:.0f} s, best {history.best}")
    print(f"{'test' if options.test else 'validation'} ELBO with hard bits {bound.mean():.2f} nats")
    tight = bound.mean() + gain.mean()
    print(f"K = {SAMPLES} bound {tight:.2f} ± {lab.half_width(gain):.2f} nats")


def train(digits, options):
    estimator = getattr(lab.estimators, options.estimator)
    num_samples = 1 if options.estimator in SINGLE else 2

    def loss(model, images, labels):
        x = lab.binarize(images)
        return -lab.estimators.bits_elbo(estimator, model, x, num_samples).mean()

    def validation_loss(model, images, labels):
        return -lab.elbo(model, lab.binarize(images)).mean()

    torch.manual_seed(0)
    model = lab.start_at_mean(lab.BernoulliVAE(200, None), digits.train.images)
    history = lab.fit(
        model,
        loss,
        digits,
        epochs=options.epochs,
        batch_size=128,
        learning_rate=options.learning_rate,
        seed=0,
        validation_loss=validation_loss,
    )
    return model, history


if __name__ == "__main__":
    main()
