"""Densities by the chain rule: each pixel given the pixels before it, in one fixed order."""

from labutils import guards

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BeliefNetwork(nn.Module):
    """The fully visible belief network (Frey, 1998) for pixels that are 0 or 1, Eq. 1.18.

    Each pixel is a logistic regression on those before it, row by row from the upper left. `mean`
    (pixels,) are the probabilities of the pixels that it starts from, as if all were independent;
    their number is that of the pixels. No latent variables: log_prob is exact.

    With hidden_dim units of a hidden layer, Eq. 6.1: each is seen by the pixels from its place on
    and looks at those before it (Germain et al., 2015). The places are spread evenly.
    """

    def __init__(self, mean: Tensor, hidden_dim: int = 0):
        super().__init__()
        guards.tensor(mean, "mean")
        pixels = len(mean)
        self.weight = nn.Parameter(torch.zeros(pixels, pixels))
        # some pixels are never inked: their logit is to be finite
        self.offset = nn.Parameter(mean.clamp(0.01, 0.99).logit())
        self.register_buffer("before", torch.ones(pixels, pixels).tril(-1), persistent=False)
        self.hidden = nn.Linear(pixels, hidden_dim) if hidden_dim else None
        if self.hidden:
            self.output = nn.Parameter(torch.zeros(pixels, hidden_dim))
            place = 1 + torch.arange(hidden_dim) * (pixels - 1) // hidden_dim  # 0 sees nothing
            later = torch.arange(pixels)[:, None] >= place
            self.register_buffer("later", later.float(), persistent=False)
            self.heard = later.sum(1).tolist()  # units that each pixel sees: the first ones

    def logits(self, x: Tensor) -> Tensor:
        """Of each pixel given those before it: images (..., pixels) to the same shape."""
        logits = F.linear(x, self.before * self.weight, self.offset)
        if self.hidden is None:
            return logits
        looks, output = self._masked()
        return logits + F.linear(F.relu(F.linear(x, looks, self.hidden.bias)), output)

    def log_prob(self, x: Tensor) -> Tensor:
        """Eq. 1.18: images (..., pixels) of zeros and ones to (...,) in nats."""
        logits = self.logits(x)
        return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)

    @torch.no_grad()
    def pixel_by_pixel(self, n: int, pixel: Callable[[int, Tensor], Tensor]) -> Tensor:
        """n images (n, pixels) in the model's order: pixel(d, logits) gives pixel d of each, (n,).

        The logits (n,) are those of pixel d given the pixels before it. Whoever draws, completes
        or codes images gives a `pixel` of their own. Called again with the same pixels of the same
        n images, on the same machine, it has the same logits to the last bit.
        """
        x = self.offset.new_zeros(guards.whole_number(n, "n"), len(self.offset))
        if self.hidden:
            looks, output = self._masked()
            units, complete = self.hidden.bias[:, None].repeat(1, n), 0  # by place, (hidden, n)
        for d, (weight, offset) in enumerate(zip(self.weight, self.offset, strict=True)):
            logits = x[:, :d] @ weight[:d] + offset
            if self.hidden:
                units[complete : self.heard[d]].relu_()
                complete = self.heard[d]
                logits += output[d, :complete] @ units[:complete]
            x[:, d] = pixel(d, logits)
            if self.hidden:
                units[complete:].addr_(looks[complete:, d], x[:, d])
        return x

    def sample(self, n: int) -> Tensor:
        """n images (n, pixels), one pixel after the other."""
        return self.pixel_by_pixel(n, lambda d, logits: torch.bernoulli(logits.sigmoid()))

    def _masked(self):
        """The weights into the hidden units and out of them: zero where a unit may not look."""
        return (1 - self.later.T) * self.hidden.weight, self.later * self.output
