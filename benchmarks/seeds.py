"""How far the test error of notebook 02's classifier moves with the seed of its training."""

import labutils as lab

import torch

SEEDS = 4


def main():
    digits = lab.load(source="mnist")
    errors = []
    for seed in range(SEEDS):
        model, _ = lab.trained("classifier", digits, seed=seed)
        errors.append(1 - lab.accuracy(model, digits.test.images, digits.test.labels))
        print(f"seed {seed}: {errors[-1]:.2%} of the test digits wrong")
    print(f"standard deviation over the seeds {torch.tensor(errors).std():.3%}")


if __name__ == "__main__":
    main()
