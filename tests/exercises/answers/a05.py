import math

import numpy as np
import torch
from scipy import linalg, special
from torch.distributions import Categorical

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


# Exercise 5.2


@right("bic")
def bic_as_printed(total, components, d, n):
    parameters = components * (1 + d + d * (d + 1) / 2) - 1
    return -2 * total + parameters * math.log(n)


@right("bic")
def bic_integers(log_likelihood, K, dim, N):
    return -2 * log_likelihood + np.log(N) * (K - 1 + K * dim + K * dim * (dim + 1) // 2)


@right("bic")
def bic_loop(total, components, d, n):
    count = -1
    for _ in range(components):
        count += 1 + d + sum(range(d + 1))
    return count * math.log(n) - 2 * total


@right("bic")
def bic_by_triangle(total, components, d, n):
    triangle = torch.ones(d, d).tril().sum().item()
    return math.log(n) * (components * (1 + d + triangle) - 1) - 2.0 * total


@right("bic")
def bic_comb(total, components, d, n):
    P = components * math.comb(d + 2, 2) - 1
    return P * math.log(n) - total - total


@wrong("bic")
def bic_aic(total, components, d, n):
    # AIC: two for each parameter
    return -2 * total + 2 * (components * (1 + d + d * (d + 1) / 2) - 1)


@wrong("bic")
def bic_last_weight(total, components, d, n):
    # minus one forgotten
    return -2 * total + components * (1 + d + d * (d + 1) / 2) * math.log(n)


@wrong("bic")
def bic_full_matrix(total, components, d, n):
    # d squared entries in a covariance
    return -2 * total + (components * (1 + d + d * d) - 1) * math.log(n)


@wrong("bic")
def bic_diagonal(total, components, d, n):
    # d variances
    return -2 * total + (components * (1 + 2 * d) - 1) * math.log(n)


@wrong("bic")
def bic_minus_per_component(total, components, d, n):
    # minus one in every component
    return -2 * total + components * (d + d * (d + 1) / 2) * math.log(n)


@wrong("bic")
def bic_plus_two(total, components, d, n):
    # the sign of the likelihood
    return 2 * total + (components * (1 + d + d * (d + 1) / 2) - 1) * math.log(n)


@wrong("bic")
def bic_higher_is_better(total, components, d, n):
    # the whole sign turned
    return 2 * total - (components * (1 + d + d * (d + 1) / 2) - 1) * math.log(n)


@wrong("bic")
def bic_one_log_likelihood(total, components, d, n):
    # minus, not minus two
    return -total + (components * (1 + d + d * (d + 1) / 2) - 1) * math.log(n)


@wrong("bic")
def bic_half(total, components, d, n):
    # the version with one half: -log L + P/2 log N
    return -total + 0.5 * (components * (1 + d + d * (d + 1) / 2) - 1) * math.log(n)


@wrong("bic")
def bic_log2(total, components, d, n):
    # base two
    return -2 * total + (components * (1 + d + d * (d + 1) / 2) - 1) * math.log2(n)


@wrong("bic")
def bic_log10(total, components, d, n):
    # base ten
    return -2 * total + (components * (1 + d + d * (d + 1) / 2) - 1) * math.log10(n)


@wrong("bic")
def bic_times_n(total, components, d, n):
    # total taken for a mean
    return -2 * n * total + (components * (1 + d + d * (d + 1) / 2) - 1) * math.log(n)


@wrong("bic")
def bic_n_not_logged(total, components, d, n):
    # P N
    return -2 * total + (components * (1 + d + d * (d + 1) / 2) - 1) * n


@wrong("bic")
def bic_integer_half(total, components, d, n):
    # d // 2 rounds down for odd d
    return -2 * total + (components * (1 + d + d // 2 * (d + 1)) - 1) * math.log(n)


@wrong("bic")
def bic_bracket(total, components, d, n):
    # half of d (d - 1): the diagonal forgotten
    return -2 * total + (components * (1 + d + d * (d - 1) / 2) - 1) * math.log(n)


@wrong("bic")
def bic_no_means(total, components, d, n):
    # the means forgotten
    return -2 * total + (components * (1 + d * (d + 1) / 2) - 1) * math.log(n)


@wrong("bic")
def bic_shared_covariance(total, components, d, n):
    # one covariance for all
    return -2 * total + (components * (1 + d) + d * (d + 1) / 2 - 1) * math.log(n)


@wrong("bic")
def bic_sixteen(total, components, d, n):
    # the codes have 16 numbers
    return -2 * total + (components * (1 + 16 + 136) - 1) * math.log(n)


@wrong("bic")
def bic_log_of_total(total, components, d, n):
    # the logarithm of a log-likelihood
    return -2 * math.log(abs(total)) + (components * (1 + d + d * (d + 1) / 2) - 1) * math.log(n)


@wrong("bic")
def bic_per_code(total, components, d, n):
    # divided by n
    return (-2 * total + (components * (1 + d + d * (d + 1) / 2) - 1) * math.log(n)) / n


# Exercise 5.3


@right("frechet_diagonal")
def frechet_as_hinted(mean_a, std_a, mean_b, std_b):
    return ((mean_a - mean_b) ** 2).sum() + ((std_a - std_b) ** 2).sum()


@right("frechet_diagonal")
def frechet_as_printed(m, s, mu, t):
    traces = (s**2).sum() + (t**2).sum()
    return (m - mu).norm() ** 2 + traces - 2 * (s * t).sum()


@right("frechet_diagonal")
def frechet_matrices(mean_a, std_a, mean_b, std_b):
    A, B = np.diag(std_a.numpy() ** 2), np.diag(std_b.numpy() ** 2)
    gap = mean_a.numpy() - mean_b.numpy()
    return float(gap @ gap + np.trace(A + B - 2 * linalg.sqrtm(A @ B).real))


@right("frechet_diagonal")
def frechet_loop(mean_a, std_a, mean_b, std_b):
    total = 0.0
    for i in range(len(mean_a)):
        total += (mean_a[i] - mean_b[i]) ** 2 + (std_a[i] - std_b[i]) ** 2
    return total


@right("frechet_diagonal")
def frechet_stacked(mean_a, std_a, mean_b, std_b):
    difference = torch.cat([mean_a - mean_b, std_a - std_b])
    return difference @ difference


@right("frechet_diagonal")
def frechet_dist(mean_a, std_a, mean_b, std_b):
    return torch.dist(mean_a, mean_b) ** 2 + torch.dist(std_a, std_b) ** 2


@wrong("frechet_diagonal")
def frechet_means_only(mean_a, std_a, mean_b, std_b):
    # the spread forgotten
    return ((mean_a - mean_b) ** 2).sum()


@wrong("frechet_diagonal")
def frechet_root(mean_a, std_a, mean_b, std_b):
    # a distance: the root of the square
    return (((mean_a - mean_b) ** 2).sum() + ((std_a - std_b) ** 2).sum()).sqrt()


@wrong("frechet_diagonal")
def frechet_averaged(mean_a, std_a, mean_b, std_b):
    # mean over dimensions
    return ((mean_a - mean_b) ** 2).mean() + ((std_a - std_b) ** 2).mean()


@wrong("frechet_diagonal")
def frechet_norm_not_squared(mean_a, std_a, mean_b, std_b):
    # the norm, not its square
    return (mean_a - mean_b).norm() + ((std_a - std_b) ** 2).sum()


@wrong("frechet_diagonal")
def frechet_std_as_variance(mean_a, std_a, mean_b, std_b):
    # std put in for the variance
    cross = (std_a * std_b).sqrt()
    return ((mean_a - mean_b) ** 2).sum() + (std_a + std_b - 2 * cross).sum()


@wrong("frechet_diagonal")
def frechet_cross_once(mean_a, std_a, mean_b, std_b):
    # the two forgotten
    return ((mean_a - mean_b) ** 2).sum() + (std_a**2 + std_b**2 - std_a * std_b).sum()


@wrong("frechet_diagonal")
def frechet_cross_not_rooted(mean_a, std_a, mean_b, std_b):
    # the root of the product forgotten
    a, b = std_a**2, std_b**2
    return ((mean_a - mean_b) ** 2).sum() + (a + b - 2 * a * b).sum()


@wrong("frechet_diagonal")
def frechet_cross_added(mean_a, std_a, mean_b, std_b):
    # sign of the last term
    return ((mean_a - mean_b) ** 2).sum() + ((std_a + std_b) ** 2).sum()


@wrong("frechet_diagonal")
def frechet_no_cross(mean_a, std_a, mean_b, std_b):
    # the last term forgotten
    return ((mean_a - mean_b) ** 2).sum() + (std_a**2 + std_b**2).sum()


@wrong("frechet_diagonal")
def frechet_variances(mean_a, std_a, mean_b, std_b):
    # the square of a difference of variances
    return ((mean_a - mean_b) ** 2).sum() + ((std_a**2 - std_b**2) ** 2).sum()


@wrong("frechet_diagonal")
def frechet_absolute(mean_a, std_a, mean_b, std_b):
    # absolute differences
    return (mean_a - mean_b).abs().sum() + (std_a - std_b).abs().sum()


@wrong("frechet_diagonal")
def frechet_each_dimension(mean_a, std_a, mean_b, std_b):
    # the sum forgotten
    return (mean_a - mean_b) ** 2 + (std_a - std_b) ** 2


@wrong("frechet_diagonal")
def frechet_sum_then_square(mean_a, std_a, mean_b, std_b):
    # the square of the sum
    return (mean_a - mean_b).sum() ** 2 + (std_a - std_b).sum() ** 2


@wrong("frechet_diagonal")
def frechet_sqrt_of_trace(mean_a, std_a, mean_b, std_b):
    # the root of the trace, not the trace of the root
    cross = ((std_a * std_b) ** 2).sum().sqrt()
    return ((mean_a - mean_b) ** 2).sum() + (std_a**2 + std_b**2).sum() - 2 * cross


@wrong("frechet_diagonal")
def frechet_minus_means(mean_a, std_a, mean_b, std_b):
    # sign of the first term
    return ((std_a - std_b) ** 2).sum() - ((mean_a - mean_b) ** 2).sum()


# Exercise 5.4


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
