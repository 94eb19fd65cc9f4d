"""Densities by the chain rule: each pixel given the pixels before it, in one fixed order."""

from labutils import guards

import torch
from torch import nn
from torch.nn import functional as F


class BeliefNetwork(nn.Module):
    """The fully visible belief network (Frey, 1998) for pixels that are 0 or 1, Eq. 1.18.

    Each pixel is a logistic regression on those before it, row by row from the upper left. `mean`
    (pixels,) are the probabilities of the pixels that it starts from, as if all were independent;
    their number is that of the pixels. No latent variables: log_prob is exact.
    """

    def __init__(self, mean: torch.Tensor):
        super().__init__()
        guards.tensor(mean, "mean")
        pixels = len(mean)
        self.weight = nn.Parameter(torch.zeros(pixels, pixels))
        # some pixels are never inked: their logit is to be finite
        self.offset = nn.Parameter(mean.clamp(0.01, 0.99).logit())
        self.register_buffer("before", torch.ones(pixels, pixels).tril(-1), persistent=False)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Of each pixel given those before it: images (..., pixels) to the same shape."""
        return F.linear(x, self.before * self.weight, self.offset)

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """Eq. 1.18: images (..., pixels) of zeros and ones to (...,) in nats."""
        logits = self.logits(x)
        return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)

    @torch.no_grad()
    def sample(self, n: int) -> torch.Tensor:
        """n images (n, pixels), one pixel after the other."""
        x = self.offset.new_zeros(guards.whole_number(n, "n"), len(self.offset))
        for d, (weight, offset) in enumerate(zip(self.weight, self.offset, strict=True)):
            x[:, d] = torch.bernoulli((x[:, :d] @ weight[:d] + offset).sigmoid())
        return x
