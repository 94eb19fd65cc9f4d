import labutils as lab

import math

import numpy as np
import torch
from scipy import special, stats
from torch.distributions import (
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)

from . import right, wrong

# Exercise 5.1


@right("responsibilities")
def responsible_as_hinted(log_weight, log_density):
    return (log_weight + log_density).softmax(-1)


@right("responsibilities")
def responsible_logsumexp(log_pi, log_n):
    joint = log_n + log_pi[None, :]
    return torch.exp(joint - torch.logsumexp(joint, dim=1, keepdim=True))


@right("responsibilities")
def responsible_categorical(log_weight, log_density):
    return Categorical(logits=log_weight + log_density).probs


@right("responsibilities")
def responsible_scipy(log_weight, log_density):
    return torch.from_numpy(special.softmax((log_weight + log_density).numpy(), axis=1))


@right("responsibilities")
def responsible_shifted(log_weight, log_density):
    joint = log_density + log_weight
    joint = joint - joint.max(1, keepdim=True).values
    likely = joint.exp()
    return likely / likely.sum(1, keepdim=True)


@right("responsibilities")
def responsible_rows(log_weight, log_density):
    table = torch.empty_like(log_density)
    for n, row in enumerate(log_density):
        table[n] = torch.softmax(row + log_weight, 0)
    return table


@wrong("responsibilities")
def responsible_over_codes(log_weight, log_density):
    # normalised over the codes
    return (log_weight + log_density).softmax(0)


@wrong("responsibilities")
def responsible_without_weights(log_weight, log_density):
    # the weights forgotten
    return log_density.softmax(-1)


@wrong("responsibilities")
def responsible_naive(log_weight, log_density):
    # as printed: 0 / 0 far away
    joint = log_weight.exp() * log_density.exp()
    return joint / joint.sum(-1, keepdim=True)


@wrong("responsibilities")
def responsible_epsilon(log_weight, log_density):
    # a small number in the denominator
    joint = log_weight.exp() * log_density.exp()
    return joint / (joint.sum(-1, keepdim=True) + 1e-10)


@wrong("responsibilities")
def responsible_logs(log_weight, log_density):
    # still logarithms
    return (log_weight + log_density).log_softmax(-1)


@wrong("responsibilities")
def responsible_joint(log_weight, log_density):
    # not normalised
    return (log_weight + log_density).exp()


@wrong("responsibilities")
def responsible_hard(log_weight, log_density):
    # k-means: one component takes all
    nearest = (log_weight + log_density).argmax(-1)
    return torch.nn.functional.one_hot(nearest, len(log_weight)).to(log_density.dtype)


@wrong("responsibilities")
def responsible_product(log_weight, log_density):
    # the product of the logs
    return (log_weight * log_density).softmax(-1)


@wrong("responsibilities")
def responsible_weight_exp(log_weight, log_density):
    # the weights themselves added
    return (log_weight.exp() + log_density).softmax(-1)


@wrong("responsibilities")
def responsible_weight_outside(log_weight, log_density):
    # weights after normalising
    return log_weight.exp() * log_density.softmax(-1)


@wrong("responsibilities")
def responsible_ratio_of_logs(log_weight, log_density):
    # a quotient of logs
    joint = log_weight + log_density
    return joint / joint.sum(-1, keepdim=True)


@wrong("responsibilities")
def responsible_nan_to_num(log_weight, log_density):
    # 0 / 0 is 0
    joint = (log_weight + log_density).exp()
    return torch.nan_to_num(joint / joint.sum(-1, keepdim=True))


@wrong("responsibilities")
def responsible_all_sum(log_weight, log_density):
    # normalised over the whole table
    joint = log_weight + log_density
    return (joint - joint.flatten().logsumexp(0)).exp()


@wrong("responsibilities")
def responsible_minus(log_weight, log_density):
    # minus the weight
    return (log_density - log_weight).softmax(-1)


@wrong("responsibilities")
def responsible_clamped(log_weight, log_density):
    # the exponentials kept above a small number
    joint = (log_weight + log_density).exp().clamp(min=1e-30)
    return joint / joint.sum(-1, keepdim=True)


# Exercise 5.2


@right("m_step_derived.1")
def bound_by_hand(z, r, mean, covariance):
    gap = z - mean
    quadratic = ((gap @ covariance.inverse()) * gap).sum(1)
    constant = torch.logdet(covariance) + len(mean) * math.log(2 * math.pi)
    return -0.5 * (r @ quadratic + r.sum() * constant)


@right("m_step_derived.1")
def bound_scipy(z, r, mean, covariance):
    density = stats.multivariate_normal(mean.numpy(), covariance.numpy())
    return float(r.numpy() @ density.logpdf(z.numpy()))


@wrong("m_step_derived.1")
def bound_unweighted(z, r, mean, covariance):
    # r forgotten
    return MultivariateNormal(mean, covariance).log_prob(z).sum()


@wrong("m_step_derived.1")
def bound_per_code(z, r, mean, covariance):
    # not summed
    return r * MultivariateNormal(mean, covariance).log_prob(z)


@wrong("m_step_derived.1")
def bound_averaged(z, r, mean, covariance):
    # a mean in place of the sum
    return (r * MultivariateNormal(mean, covariance).log_prob(z)).mean()


@right("m_step_derived.2")
def mean_slope_solve(z, r, mean, covariance):
    return torch.linalg.solve(covariance, r @ (z - mean))


@right("m_step_derived.2")
def mean_slope_loop(z, r, mean, covariance):
    total = 0
    for code, weight in zip(z, r, strict=True):
        total = total + weight * covariance.inverse() @ (code - mean)
    return total


@wrong("m_step_derived.2")
def mean_slope_sign(z, r, mean, covariance):
    # mean - z
    return covariance.inverse() @ (r @ (mean - z))


@wrong("m_step_derived.2")
def mean_slope_twice(z, r, mean, covariance):
    # the one half forgotten
    return 2 * covariance.inverse() @ (r @ (z - mean))


@wrong("m_step_derived.2")
def mean_slope_half(z, r, mean, covariance):
    # the two of the square forgotten
    return 0.5 * covariance.inverse() @ (r @ (z - mean))


@right("m_step_derived.3")
def precision_slope_einsum(z, r, mean, covariance):
    gap = z - mean
    return (r.sum() * covariance - torch.einsum("n,ni,nj->ij", r, gap, gap)) / 2


@right("m_step_derived.3")
def precision_slope_numpy(z, r, mean, covariance):
    gap, weight = (z - mean).numpy(), r.numpy()
    return 0.5 * (weight.sum() * covariance.numpy() - gap.T @ np.diag(weight) @ gap)


@wrong("m_step_derived.3")
def precision_slope_twice(z, r, mean, covariance):
    # the one half forgotten
    gap = z - mean
    return r.sum() * covariance - (r[:, None] * gap).T @ gap


@wrong("m_step_derived.3")
def precision_slope_sign(z, r, mean, covariance):
    # the sign
    gap = z - mean
    return 0.5 * ((r[:, None] * gap).T @ gap - r.sum() * covariance)


@right("m_step_derived.1")
def bound_cholesky(z, r, mean, covariance):
    density = MultivariateNormal(mean, scale_tril=torch.linalg.cholesky(covariance))
    return r @ density.log_prob(z)


@wrong("m_step_derived.1")
def bound_precision(z, r, mean, covariance):
    # the covariance for the precision
    return r @ MultivariateNormal(mean, precision_matrix=covariance).log_prob(z)


@wrong("m_step_derived.1")
def bound_diagonal(z, r, mean, covariance):
    # each coordinate by itself
    return r @ Normal(mean, covariance.diagonal().sqrt()).log_prob(z).sum(1)


@wrong("m_step_derived.1")
def bound_of_densities(z, r, mean, covariance):
    # no logarithm
    return r @ MultivariateNormal(mean, covariance).log_prob(z).exp()


@wrong("m_step_derived.2")
def mean_slope_covariance(z, r, mean, covariance):
    # the covariance where its inverse belongs
    return covariance @ (r @ (z - mean))


@wrong("m_step_derived.2")
def mean_slope_entrywise(z, r, mean, covariance):
    # 1 / x for the inverse
    return (1 / covariance) @ (r @ (z - mean))


@wrong("m_step_derived.3")
def precision_slope_inverse(z, r, mean, covariance):
    # the inverse where the covariance belongs
    gap = z - mean
    return 0.5 * (r.sum() * covariance.inverse() - (r[:, None] * gap).T @ gap)


@wrong("m_step_derived.3")
def precision_slope_in_covariance(z, r, mean, covariance):
    # the gradient in the covariance
    gap, precision = z - mean, covariance.inverse()
    return 0.5 * precision @ ((r[:, None] * gap).T @ gap @ precision - r.sum() * torch.eye(3))


# Exercise 5.3


@right("gaussian_m_step")
def m_step_loop(z, r):
    weights, means, covariances = [], [], []
    for k in range(r.shape[1]):
        share = r[:, k] / r[:, k].sum()
        weights.append(r[:, k].mean())
        means.append(share @ z)
        gap = z - means[-1]
        covariances.append((share[:, None] * gap).T @ gap)
    return torch.stack(weights), torch.stack(means), torch.stack(covariances)


@right("gaussian_m_step")
def m_step_moments(z, r):
    share = r / r.sum(0)
    means = share.T @ z
    second = torch.einsum("nk,ni,nj->kij", share, z, z)
    return r.mean(0), means, second - means[:, :, None] * means[:, None, :]


@wrong("gaussian_m_step")
def m_step_counts(z, r):
    # counts for weights
    return r.sum(0), *m_step_loop(z, r)[1:]


@wrong("gaussian_m_step")
def m_step_over_all(z, r):
    # divided by N everywhere
    means = r.T @ z / len(z)
    gap = z[:, None] - means
    return r.mean(0), means, torch.einsum("nk,nki,nkj->kij", r, gap, gap) / len(z)


@wrong("gaussian_m_step")
def m_step_from_zero(z, r):
    # second moments
    share = r / r.sum(0)
    return r.mean(0), share.T @ z, torch.einsum("nk,ni,nj->kij", share, z, z)


@wrong("gaussian_m_step")
def m_step_not_divided(z, r):
    # sums for covariances
    means = (r / r.sum(0)).T @ z
    gap = z[:, None] - means
    return r.mean(0), means, torch.einsum("nk,nki,nkj->kij", r, gap, gap)


@wrong("gaussian_m_step")
def m_step_only_means(z, r):
    # one of three
    return r.T @ z / r.sum(0)[:, None]


@wrong("gaussian_m_step")
def m_step_transposed(z, r):
    # means (d, K)
    weights, means, covariances = m_step_loop(z, r)
    return weights, means.T, covariances


@wrong("gaussian_m_step")
def m_step_about_all(z, r):
    # the spread around the mean of all codes
    weights, means, _ = m_step_loop(z, r)
    gap = z - z.mean(0)
    return weights, means, torch.einsum("nk,ni,nj->kij", r / r.sum(0), gap, gap)


@wrong("gaussian_m_step")
def m_step_r_twice(z, r):
    # both gaps weighted
    weights, means, _ = m_step_loop(z, r)
    gap = r[:, :, None] * (z[:, None] - means)
    return weights, means, torch.einsum("nki,nkj->kij", gap, gap) / r.sum(0)[:, None, None]


@wrong("gaussian_m_step")
def m_step_gaps_unweighted(z, r):
    # r forgotten in the covariances
    weights, means, _ = m_step_loop(z, r)
    gap = z[:, None] - means
    return weights, means, torch.einsum("nki,nkj->kij", gap, gap) / r.sum(0)[:, None, None]


# Exercise 5.4


@right("elbo_by_samples")
def elbo_with_kl(log_likelihood, log_prior, log_q):
    kl = log_q - log_prior
    return log_likelihood.mean(0) - kl.mean(0)


@right("elbo_by_samples")
def elbo_loop(log_likelihood, log_prior, log_q):
    return sum(a + b - c for a, b, c in zip(log_likelihood, log_prior, log_q, strict=True)) / len(
        log_q
    )


@wrong("elbo_by_samples")
def elbo_kl_added(log_likelihood, log_prior, log_q):
    # plus the KL
    return (log_likelihood + log_q - log_prior).mean(0)


@wrong("elbo_by_samples")
def elbo_bound(log_likelihood, log_prior, log_q):
    # the bound of notebook 03
    weight = log_likelihood + log_prior - log_q
    return weight.logsumexp(0) - math.log(len(weight))


@wrong("elbo_by_samples")
def elbo_without_q(log_likelihood, log_prior, log_q):
    # log q forgotten
    return (log_likelihood + log_prior).mean(0)


@wrong("elbo_by_samples")
def elbo_over_images(log_likelihood, log_prior, log_q):
    # the wrong axis
    return (log_likelihood + log_prior - log_q).mean(1)


# Exercise 5.10


@right("importance_estimate")
def importance_normal(log_likelihood, log_prior, noise, scale):
    log_q = Normal(0.0, scale).log_prob(scale * noise).sum(2)
    return (log_likelihood + log_prior - log_q).logsumexp(0) - math.log(len(noise))


@right("importance_estimate")
def importance_by_hand(log_likelihood, log_prior, noise, scale):
    K, _, d = noise.shape
    log_q = -0.5 * (noise**2).sum(-1) - d / 2 * math.log(2 * math.pi) - d * math.log(scale)
    return torch.logsumexp(log_likelihood + log_prior - log_q, 0) - math.log(K)


@wrong("importance_estimate")
def importance_of_noise(log_likelihood, log_prior, noise, scale):
    # the density of the noise for that of z
    log_q = Normal(0.0, 1.0).log_prob(noise).sum(-1)
    return (log_likelihood + log_prior - log_q).logsumexp(0) - math.log(len(noise))


@wrong("importance_estimate")
def importance_one_scale(log_likelihood, log_prior, noise, scale):
    # log scale once
    log_q = Normal(0.0, 1.0).log_prob(noise).sum(-1) - math.log(scale)
    return (log_likelihood + log_prior - log_q).logsumexp(0) - math.log(len(noise))


@wrong("importance_estimate")
def importance_variance(log_likelihood, log_prior, noise, scale):
    # scale for a variance
    log_q = Normal(0.0, scale**0.5).log_prob(scale**0.5 * noise).sum(-1)
    return (log_likelihood + log_prior - log_q).logsumexp(0) - math.log(len(noise))


@wrong("importance_estimate")
def importance_elbo(log_likelihood, log_prior, noise, scale):
    # the mean of the logarithms
    return (log_likelihood + log_prior - Normal(0.0, scale).log_prob(scale * noise).sum(-1)).mean(0)


@wrong("importance_estimate")
def importance_naive(log_likelihood, log_prior, noise, scale):
    # as if drawn from the prior
    return log_likelihood.logsumexp(0) - math.log(len(noise))


@wrong("importance_estimate")
def importance_no_mean(log_likelihood, log_prior, noise, scale):
    # log K forgotten
    log_q = Normal(0.0, scale).log_prob(scale * noise).sum(-1)
    return (log_likelihood + log_prior - log_q).logsumexp(0)


@wrong("importance_estimate")
def importance_exp(log_likelihood, log_prior, noise, scale):
    # exponentials that underflow
    log_q = Normal(0.0, scale).log_prob(scale * noise).sum(-1)
    return (log_likelihood + log_prior - log_q).exp().mean(0).log()


@wrong("importance_estimate")
def importance_at_noise(log_likelihood, log_prior, noise, scale):
    # q at the noise in place of s times the noise
    log_q = Normal(0.0, scale).log_prob(noise).sum(-1)
    return (log_likelihood + log_prior - log_q).logsumexp(0) - math.log(len(noise))


@wrong("importance_estimate")
def importance_no_prior(log_likelihood, log_prior, noise, scale):
    # the prior forgotten
    log_q = Normal(0.0, scale).log_prob(scale * noise).sum(-1)
    return (log_likelihood - log_q).logsumexp(0) - math.log(len(noise))


# Exercise 5.8


@right("copy_rate")
def copy_auroc(samples, held_out):
    return lab.auroc(held_out, samples)


@right("copy_rate")
def copy_loop(samples, held_out):
    total = 0.0
    for x in samples.tolist():
        for y in held_out.tolist():
            total += 1 if x < y else 0.5 if x == y else 0
    return total / (len(samples) * len(held_out))


@right("copy_rate")
def copy_signs(samples, held_out):
    return 0.5 + 0.5 * (held_out - samples[:, None]).sign().mean()


@wrong("copy_rate")
def copy_no_ties(samples, held_out):
    # ties count nothing
    return (samples[:, None] < held_out).float().mean()


@wrong("copy_rate")
def copy_whole_ties(samples, held_out):
    # ties count one
    return (samples[:, None] <= held_out).float().mean()


@wrong("copy_rate")
def copy_reversed(samples, held_out):
    # the other way round
    return lab.auroc(samples, held_out)


@wrong("copy_rate")
def copy_median(samples, held_out):
    # against the median
    return (samples < held_out.median()).float().mean()


@wrong("copy_rate")
def copy_zeros(samples, held_out):
    # exact copies alone
    return (samples == 0).float().mean()


# Exercise 5.6


@right("mixture_prior")
def prior_by_torch(log_weight, mean, log_var, component, noise):
    std = torch.exp(0.5 * log_var)
    parts = Independent(Normal(mean, std), 1)
    mixture = MixtureSameFamily(Categorical(logits=log_weight), parts)
    return mixture.log_prob(mean[component] + std[component] * noise)


@wrong("mixture_prior")
def prior_as_published(log_weight, mean, log_var, component, noise):
    # nothing mended
    z = mean[component] + log_var[component].exp() * noise
    log_density = Normal(mean, (log_var / 2).exp()).log_prob(z[:, None])
    return (log_weight[:, None] + log_density).logsumexp(1).sum(-1)


@wrong("mixture_prior")
def prior_sampler_mended(log_weight, mean, log_var, component, noise):
    # only the sampler
    z = mean[component] + (log_var[component] / 2).exp() * noise
    log_density = Normal(mean, (log_var / 2).exp()).log_prob(z[:, None])
    return (log_weight[:, None] + log_density).logsumexp(1).sum(-1)


@wrong("mixture_prior")
def prior_density_mended(log_weight, mean, log_var, component, noise):
    # only the density
    z = mean[component] + log_var[component].exp() * noise
    log_density = Normal(mean, (log_var / 2).exp()).log_prob(z[:, None]).sum(-1)
    return (log_weight + log_density).logsumexp(-1)


@wrong("mixture_prior")
def prior_both_wide(log_weight, mean, log_var, component, noise):
    # exp(log_var) in both
    z = mean[component] + log_var[component].exp() * noise
    log_density = Normal(mean, log_var.exp()).log_prob(z[:, None]).sum(-1)
    return (log_weight + log_density).logsumexp(-1)


@wrong("mixture_prior")
def prior_without_weights(log_weight, mean, log_var, component, noise):
    # the weights forgotten
    z = mean[component] + (log_var[component] / 2).exp() * noise
    return Normal(mean, (log_var / 2).exp()).log_prob(z[:, None]).sum(-1).logsumexp(-1)


# Exercise 5.7


@right("precision")
def precision_as_hinted(distances, radii):
    return (distances <= radii).any(1).float().mean()


@right("precision")
def precision_loop(d, rho):
    hits = 0
    for row in d:
        if any(float(a) <= float(r) for a, r in zip(row, rho, strict=True)):
            hits += 1
    return hits / len(d)


@right("precision")
def precision_by_numpy(distances, radii):
    inside = distances.numpy() <= radii.numpy()[None, :]
    return inside.any(axis=1).mean()


@right("precision")
def precision_by_margin(distances, radii):
    margin = (distances - radii).min(dim=1).values
    return (margin <= 0).double().mean().item()


@right("precision")
def precision_by_count(distances, radii):
    balls = torch.sum(distances <= radii.unsqueeze(0), dim=1)
    return torch.count_nonzero(balls) / distances.shape[0]


@wrong("precision")
def precision_recall_instead(distances, radii):
    # any over the samples: fraction of balls that hold a sample
    return (distances <= radii).any(0).float().mean()


@wrong("precision")
def precision_all(distances, radii):
    # in all balls
    return (distances <= radii).all(1).float().mean()


@wrong("precision")
def precision_pairs(distances, radii):
    # the fraction of the table
    return (distances <= radii).float().mean()


@wrong("precision")
def precision_counts(distances, radii):
    # the number of balls for each sample, averaged
    return (distances <= radii).float().sum(1).mean()


@wrong("precision")
def precision_percent(distances, radii):
    # percent
    return 100 * (distances <= radii).any(1).float().mean()


@wrong("precision")
def precision_number(distances, radii):
    # the number of samples
    return (distances <= radii).any(1).sum()


@wrong("precision")
def precision_outside(distances, radii):
    # the comparison turned
    return (distances >= radii).any(1).float().mean()


@wrong("precision")
def precision_complement(distances, radii):
    # the fraction that lies in no ball
    return 1 - (distances <= radii).any(1).float().mean()


@wrong("precision")
def precision_nearest_only(distances, radii):
    # only the ball of the nearest real digit
    nearest = distances.argmin(1)
    return (distances.min(1).values <= radii[nearest]).float().mean()


@wrong("precision")
def precision_largest_radius(distances, radii):
    # the nearest digit and the largest ball
    return (distances.min(1).values <= radii.max()).float().mean()


@wrong("precision")
def precision_mean_radius(distances, radii):
    # one radius for all
    return (distances <= radii.mean()).any(1).float().mean()


@wrong("precision")
def precision_integer(distances, radii):
    # integer division
    return (distances <= radii).any(1).sum() // len(distances)


@wrong("precision")
def precision_by_m(distances, radii):
    # divided by the number of real digits
    return (distances <= radii).any(1).sum() / len(radii)


@wrong("precision")
def precision_strict(distances, radii):
    # less than, not less or equal
    return (distances < radii).any(1).float().mean()


@wrong("precision")
def precision_each(distances, radii):
    # true or false for each sample
    return (distances <= radii).any(1)


@wrong("precision")
def precision_squared(distances, radii):
    # squared distances, since norms are squared elsewhere
    return (distances**2 <= radii).any(1).float().mean()


@wrong("precision")
def precision_radii_down_the_rows(distances, radii):
    # the radii belong to the samples
    return (distances <= radii[:, None]).any(1).float().mean()
