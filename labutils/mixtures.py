"""Mixtures: densities with finitely many components, fitted by EM, with exact log-likelihoods."""

from labutils import guards
from labutils.data import AT_ONCE
from labutils.runtime import seeded

import torch
from torch.distributions import (
    Bernoulli,
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
)
from torch.nn import functional as F

STEPS = 10  # of EM for a mixture of Bernoullis
ALPHA = 0.1  # black pixels, and white ones, that are imagined for each pixel of a component


class _Mixture(MixtureSameFamily):
    """torch's mixture draws from every component and keeps one draw: these draw one only."""

    def sample(self, sample_shape: tuple[int, ...] = ()) -> torch.Tensor:
        """Draws of shape (*sample_shape, d): first a component, then from it. No gradient."""
        if self.batch_shape:  # several mixtures, after expand()
            return super().sample(sample_shape)
        return self._draw(self.mixture_distribution.sample(sample_shape))

    def __repr__(self) -> str:
        count, (dimensions,) = self._num_component, self.event_shape
        return f"{type(self).__name__}(components={count}, dimensions={dimensions})"


class BernoulliMixture(_Mixture):
    """A mixture of K templates, within each of which the pixels are independent, Eq. 1.15.

    `log_weight` (K,) are the log-probabilities of the components, `logits` (K, 784) those of
    their pixels; their mean images are `component_distribution.mean`.
    """

    @classmethod
    @torch.no_grad()
    def fit(cls, images: torch.Tensor, components: int, *, seed: int) -> "BernoulliMixture":
        """Maximum likelihood by ten steps of EM, from components that each resemble an image.

        images: (N, 784), zeros and ones, or booleans, which take a quarter of the memory. A tenth
        of a black and of a white pixel is imagined for each pixel of a component, so that none
        becomes impossible. Raises ValueError for other images, and for more components than images.
        """
        _check_binary(images)
        if images.ndim != 2:
            raise ValueError(f"images must have shape (N, 784), got {tuple(images.shape)}.")
        if guards.whole_number(components, "components") > len(images):
            raise ValueError(
                f"Each component starts from an image of its own: components must be at most "
                f"{len(images)}, the number of images, got {components}."
            )
        with seeded(seed):
            some = images[torch.randperm(len(images))[:components]]
        # in parts: torch would make whole numbers of all booleans at once
        mean = sum(part.sum(0) for part in images.split(AT_ONCE)) / len(images)
        start = 0.1 + 0.4 * some + 0.4 * mean
        mixture = cls._of(start.new_zeros(components), start.logit())
        for _ in range(STEPS):
            mixture = mixture._em_step(images)
        return mixture

    @classmethod
    def _of(cls, log_weight, logits):
        return cls(Categorical(logits=log_weight), Independent(Bernoulli(logits=logits), 1))

    @property
    def log_weight(self) -> torch.Tensor:
        return self.mixture_distribution.logits

    @property
    def logits(self) -> torch.Tensor:
        return self.component_distribution.base_dist.logits

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """Eq. 1.15: images (..., 784) of zeros and ones to (...,) in nats.

        Raises ValueError for grey images and other shapes.
        """
        if self.batch_shape:  # several mixtures, after expand()
            return super().log_prob(x)
        _check_binary(x)
        if x.shape[-1:] != self.event_shape:
            raise ValueError(
                f"Expected images of {self.event_shape[0]} pixels, (..., {self.event_shape[0]}), "
                f"got a tensor of shape {tuple(x.shape)}."
            )
        return self._log_joint(x.to(self.logits)).logsumexp(-1)

    def responsibilities(self, x: torch.Tensor) -> torch.Tensor:
        """The E step, Bayes' rule (Eq. 1.6): images (N, 784) to p(component given x), (N, K)."""
        return self._log_joint(x).softmax(-1)

    @torch.no_grad()
    def sample_means(self, n: int) -> torch.Tensor:
        """n mean images (n, 784), grey: templates that are drawn with their weights."""
        return self.component_distribution.mean[self.mixture_distribution.sample((n,))]

    def _log_joint(self, x):
        """log weight + log p(x given component), (N, K): x a - log(1 + exp(a)) for each pixel."""
        offset = self.log_weight - F.softplus(self.logits).sum(-1)
        return F.linear(x, self.logits, offset)  # x @ logits.T + offset, in one table

    def _em_step(self, images):
        """The M step, Eq. 1.16, after the E step. In parts: no (N, K) table is made."""
        count, black = 0, 0
        for part in images.split(AT_ONCE):
            part = part.to(self.logits)
            r = self.responsibilities(part)
            count = count + r.sum(0, dtype=torch.float64)  # (K,)
            black = black + (r.T @ part).double()  # (K, 784)
        white = (count[:, None] - black).clamp(min=0)  # rounding can leave -1e-6
        # a difference of logarithms: theta itself may round to 1, whose logit is infinite
        logits = (ALPHA + black).log() - (ALPHA + white).log()
        log_weight = (count.clamp(min=1e-9) / len(images)).log()
        return self._of(log_weight.to(self.logits), logits.to(self.logits))

    def _draw(self, component):
        return torch.bernoulli(self.logits[component].sigmoid())


class GaussianMixture(_Mixture):
    """A mixture of Gaussians with full covariances, a density over codes (Eq. 5.2)."""

    @classmethod
    def fit(
        cls, codes: torch.Tensor, components: int, *, seed: int, tolerance: float = 1e-2
    ) -> "GaussianMixture":
        """Maximum likelihood by EM (scikit-learn), from k-means; codes: (N, d).

        EM ends when a step gains less than `tolerance` nats per code. 1e-4 of the codes' mean
        variance is added to the variances of each component, since a component that shrinks to
        one code would have no highest likelihood. Raises ValueError for
        codes that are not finite, all the same, or too few for a covariance.
        """
        from sklearn.mixture import GaussianMixture as Fit  # here, since it is slow to import
        from threadpoolctl import threadpool_limits  # comes with scikit-learn

        _check_codes(codes, components)
        scale = codes.var(0).mean().item()
        em = Fit(components, reg_covar=1e-4 * scale, tol=tolerance, max_iter=500, random_state=seed)
        # one thread: beside torch's idle ones, those of scikit-learn take up to 60 times as long
        with threadpool_limits(1):
            em.fit(codes.detach().cpu().double().numpy())
        weights, means, covariances = (
            torch.from_numpy(array).to(codes) for array in (em.weights_, em.means_, em.covariances_)
        )
        return cls(Categorical(weights), MultivariateNormal(means, covariances))

    def _draw(self, component):
        parts = self.component_distribution
        noise = torch.randn(*component.shape, parts.loc.shape[-1], 1).to(parts.loc)
        return parts.loc[component] + (parts.scale_tril[component] @ noise).squeeze(-1)


def _check_binary(images):
    guards.tensor(images, "images")
    if images.dtype == torch.bool:
        return
    guards.pixels(images)
    if not all(((part == 0) | (part == 1)).all() for part in images.split(AT_ONCE)):
        raise ValueError(
            "images must hold only 0 and 1, got grey values: there is no mixture of coins for "
            "them. Try lab.binarize(images)."
        )


def _check_codes(codes, components):
    guards.tensor(codes, "codes")
    if not codes.is_floating_point() or codes.ndim != 2:
        raise ValueError(
            f"codes must be a floating-point tensor of shape (N, d), got shape "
            f"{tuple(codes.shape)}, {codes.dtype}."
        )
    if not codes.isfinite().all():
        raise ValueError("codes must be finite, got NaN or infinite values: look at the encoder.")
    count, dimensions = codes.shape
    if count > 1 and (codes == codes[0]).all():
        raise ValueError(f"The {count} codes are all the same: there is nothing to fit.")
    if guards.whole_number(components, "components") * (dimensions + 1) > count:
        raise ValueError(
            f"components must be at most {count // (dimensions + 1)}: each needs {dimensions + 1} "
            f"of the {count} codes for its covariance. Got {components}."
        )
