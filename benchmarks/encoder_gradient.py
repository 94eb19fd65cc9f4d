"""How far the gradient of the encoder spreads, for notebook 03: over samples of z, over batches.

The spread is the root of the variance, summed over the encoder's weights. Batches of 100 training
digits, binarised once, with two draws of the noise for each: the difference of the two is the
noise's part, and what batches have beyond it is the images' part.
"""

import labutils as lab

from dataclasses import replace

import torch

BLOCKS, BATCHES, SIZE = 20, 20, 100  # intervals come from the spread between blocks of batches


def main():
    digits = lab.load(source="mnist")
    for name, model in models(digits).items():
        images = lab.binarize(digits.train.images, torch.Generator().manual_seed(0))
        blocks = images[: BLOCKS * BATCHES * SIZE].split(BATCHES * SIZE)
        with lab.seeded(0):
            parts = {L: torch.tensor([variances(model, x, L) for x in blocks]) for L in (1, 10)}
        samples, batch = parts[1][:, 0], torch.cat([parts[1][:, 1], parts[10][:, 1]])
        print(f"{name}\n  over samples, L = 1   {spread(samples)}")
        print(f"  over samples, L = 10  {spread(parts[10][:, 0])}")
        print(f"  over images           {spread(batch)}")
        print(f"  over both, L = 1      {spread(parts[1].sum(1))}")
        print(f"  over both, L = 10     {spread(parts[10].sum(1))}")
        print(f"  samples, L = 1 / L = 10     {ratio(samples, parts[10][:, 0])}")
        print(f"  samples / images, L = 1     {ratio(samples, parts[1][:, 1])}", flush=True)


def models(digits):
    """The 20-dimensional model after 40 steps and after its recipe, and the plane of section 7."""
    small = replace(digits, train=digits.train[:10_000], validation=digits.validation[:1_000])
    with lab.seeded(0):
        early = lab.start_at_mean(lab.GaussianVAE(20, 400), digits.train.images)
    lab.fit(early, lab.recipes.negative_elbo, small,
            epochs=1, batch_size=250, learning_rate=2e-3, seed=0)  # fmt: skip
    late, _ = lab.trained("gaussian_vae", digits)
    plane, _ = lab.trained("gaussian_vae_2d", digits)
    return {"20 dimensions, early": early, "20 dimensions, late": late, "2 dimensions, late": plane}


def variances(model, x, num_samples):
    """The summed variance over samples, and that over images, from a block of batches."""
    first, second = (
        torch.stack([gradient(model, batch, num_samples) for batch in x.split(SIZE)])
        for _ in range(2)
    )
    over_samples = (first - second).square().sum(1).mean() / 2
    over_both = (first.var(0) + second.var(0)).sum() / 2
    return over_samples.item(), (over_both - over_samples).item()


def gradient(model, x, num_samples):
    """That of Eq. 3.8 with respect to all weights of the encoder, as one vector."""
    bound = lab.elbo(model, x, num_samples).mean()
    return torch.cat([g.flatten() for g in torch.autograd.grad(bound, model.encoder.parameters())])


def spread(variance):
    mean, half = variance.mean().sqrt(), lab.half_width(variance)
    return f"{mean:.2f} ± {half / (2 * mean):.2f}"


def ratio(above, below):
    """The ratio of two spreads, and half of its 95 % interval."""
    squared = above.mean() / below.mean()
    half = lab.half_width((above - squared * below) / below.mean())
    return f"{squared.sqrt():.2f} ± {half / (2 * squared.sqrt()):.2f}"


if __name__ == "__main__":
    main()
