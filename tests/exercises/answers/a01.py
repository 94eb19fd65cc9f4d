import math

import numpy as np
import torch
from scipy import stats
from torch import distributions
from torch.nn import functional as F

from . import right, wrong

# Exercise 1.1


@right("gaussian_log_density")
def density_as_printed(x, mean, log_var):
    return -0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var.exp())


@right("gaussian_log_density")
def density_by_torch(x, mu, logvar):
    return distributions.Normal(mu, (0.5 * logvar).exp()).log_prob(x)


@right("gaussian_log_density")
def density_in_steps(x, m, lv):
    precision = torch.exp(-lv)
    result = -precision * (x - m).square() / 2
    result = result - lv / 2
    return result - math.log(math.sqrt(2 * math.pi))


@right("gaussian_log_density")
def density_by_standardising(x, mean, log_var):
    z = (x - mean) * torch.exp(-log_var / 2)
    return distributions.Normal(0, 1).log_prob(z) - log_var / 2


@right("gaussian_log_density")
def density_by_loss(x, mean, log_var):
    x, mean, log_var = torch.broadcast_tensors(x, mean, log_var)
    return -F.gaussian_nll_loss(mean, x, log_var.exp(), full=True, eps=0.0, reduction="none")


@wrong("gaussian_log_density")
def density_exponent_only(x, mean, log_var):
    # "the constant and log sigma don't matter for the maximum"
    return -0.5 * (x - mean) ** 2 / log_var.exp()


@wrong("gaussian_log_density")
def density_without_constant(x, mean, log_var):
    # the constant falls away in the gradient
    return -0.5 * (log_var + (x - mean) ** 2 / log_var.exp())


@wrong("gaussian_log_density")
def density_log_var_for_variance(x, mean, log_var):
    # log_var is the variance
    return -0.5 * (math.log(2 * math.pi) + log_var.abs().log() + (x - mean) ** 2 / log_var)


@wrong("gaussian_log_density")
def density_log_var_for_sigma(x, mean, log_var):
    # exp(log_var) is sigma
    return distributions.Normal(mean, log_var.exp()).log_prob(x)


@wrong("gaussian_log_density")
def density_half_binds_to_first(x, mean, log_var):
    # the brackets after minus one half forgotten
    return -0.5 * math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var.exp()


@wrong("gaussian_log_density")
def density_positive(x, mean, log_var):
    # a loss: the sign turned
    return 0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var.exp())


@wrong("gaussian_log_density")
def density_not_logged(x, mean, log_var):
    # the density itself
    return (-0.5 * (x - mean) ** 2 / log_var.exp()).exp() / (2 * math.pi * log_var.exp()).sqrt()


@wrong("gaussian_log_density")
def density_averaged(x, mean, log_var):
    # Eq. 1.1 with it: the mean over the data
    return (-0.5 * (math.log(2 * math.pi) + log_var + (x - mean) ** 2 / log_var.exp())).mean()


@wrong("gaussian_log_density")
def density_square_missing(x, mean, log_var):
    # (x - mu) not squared
    return -0.5 * (math.log(2 * math.pi) + log_var + (x - mean) / log_var.exp())


@wrong("gaussian_log_density")
def density_log_of_pi_only(x, mean, log_var):
    # two pi read as pi
    return -0.5 * (math.log(math.pi) + log_var + (x - mean) ** 2 / log_var.exp())


@wrong("gaussian_log_density")
def density_base_ten(x, mean, log_var):
    # log means base ten on a calculator
    return -0.5 * (math.log10(2 * math.pi) + log_var + (x - mean) ** 2 / log_var.exp())


@wrong("gaussian_log_density")
def density_detached(x, mean, log_var):
    # numbers out of the tensors first: no gradient is left
    return distributions.Normal(mean.detach(), (log_var.detach() / 2).exp()).log_prob(x)


@wrong("gaussian_log_density")
def density_log_var_twice(x, mean, log_var):
    # 1.2 with log sigma in place of log sigma^2, so "2 log_var"
    return -0.5 * (math.log(2 * math.pi) + 2 * log_var + (x - mean) ** 2 / log_var.exp())


# Exercise 1.2


@right("bayes_rule")
def bayes_as_hinted(log_p_x_given_y, log_prior):
    joint = log_p_x_given_y + log_prior
    return joint - joint.logsumexp(-1, keepdim=True)


@right("bayes_rule")
def bayes_log_softmax(lp, prior):
    return F.log_softmax(lp + prior, dim=1)


@right("bayes_rule")
def bayes_categorical(log_likelihood, log_prior):
    return distributions.Categorical(logits=log_likelihood + log_prior[None]).logits


@right("bayes_rule")
def bayes_loop(log_p_x_given_y, log_prior):
    rows = []
    for row in log_p_x_given_y:
        top = row + log_prior
        largest = top.max()
        rows.append(top - largest - torch.log(torch.sum(torch.exp(top - largest))))
    return torch.stack(rows)


@right("bayes_rule")
def bayes_in_place_on_a_copy(log_p_x_given_y, log_prior):
    joint = log_p_x_given_y.clone()
    joint += log_prior
    joint -= torch.logsumexp(joint, dim=1)[:, None]
    return joint


@wrong("bayes_rule")
def bayes_no_denominator(log_p_x_given_y, log_prior):
    # the denominator is the same for all classes, so it can go
    return log_p_x_given_y + log_prior


@wrong("bayes_rule")
def bayes_over_images(log_p_x_given_y, log_prior):
    # normalised over the first axis
    joint = log_p_x_given_y + log_prior
    return joint - joint.logsumexp(0, keepdim=True)


@wrong("bayes_rule")
def bayes_without_prior(log_p_x_given_y, log_prior):
    # all classes alike
    return log_p_x_given_y - log_p_x_given_y.logsumexp(-1, keepdim=True)


@wrong("bayes_rule")
def bayes_probability(log_p_x_given_y, log_prior):
    # the probability, not its logarithm
    return torch.softmax(log_p_x_given_y + log_prior, -1)


@wrong("bayes_rule")
def bayes_naive(log_p_x_given_y, log_prior):
    # the equation as it stands
    joint = log_p_x_given_y.exp() * log_prior.exp()
    return (joint / joint.sum(-1, keepdim=True)).log()


@wrong("bayes_rule")
def bayes_prior_not_in_denominator(log_p_x_given_y, log_prior):
    # the prior forgotten below the line
    return log_p_x_given_y + log_prior - log_p_x_given_y.logsumexp(-1, keepdim=True)


@wrong("bayes_rule")
def bayes_product_of_logs(log_p_x_given_y, log_prior):
    # the product stays a product
    joint = log_p_x_given_y * log_prior
    return joint - joint.logsumexp(-1, keepdim=True)


@wrong("bayes_rule")
def bayes_log_of_sum_of_logs(log_p_x_given_y, log_prior):
    # the log of the sum is the sum of the logs
    joint = log_p_x_given_y + log_prior
    return joint - joint.sum(-1, keepdim=True)


@wrong("bayes_rule")
def bayes_divides_logs(log_p_x_given_y, log_prior):
    # a quotient in the equation, a quotient in the code
    joint = log_p_x_given_y + log_prior
    return joint / joint.logsumexp(-1, keepdim=True)


@wrong("bayes_rule")
def bayes_predicts(log_p_x_given_y, log_prior):
    # the class is wanted, is it not?
    return (log_p_x_given_y + log_prior).argmax(-1)


@wrong("bayes_rule")
def bayes_prior_exponentiated(log_p_x_given_y, log_prior):
    # log p(x|y) is a logarithm, the prior is a probability
    joint = log_p_x_given_y + log_prior.exp()
    return joint - joint.logsumexp(-1, keepdim=True)


# Exercise 1.3


@right("change_of_variables")
def change_as_printed(log_p_z, slope):
    return log_p_z - slope.abs().log()


@right("change_of_variables")
def change_by_square(log_pz, dfdz):
    return log_pz - 0.5 * torch.log(dfdz**2)


@right("change_of_variables")
def change_by_inverse_slope(log_p_z, slope):
    inverse = 1 / slope
    return torch.add(log_p_z, torch.log(torch.abs(inverse)))


@right("change_of_variables")
def change_by_sign(log_p_z, slope):
    return log_p_z - (slope * slope.sign()).log()


@right("change_of_variables")
def change_by_where(log_p_z, slope):
    return log_p_z - torch.where(slope > 0, slope, -slope).log()


@wrong("change_of_variables")
def change_added(log_p_z, slope):
    # stretching by the slope gives more
    return log_p_z + slope.abs().log()


@wrong("change_of_variables")
def change_no_abs(log_p_z, slope):
    # the bars read as brackets
    return log_p_z - slope.log()


@wrong("change_of_variables")
def change_divided(log_p_z, slope):
    # the density is divided by the slope, so its logarithm is
    return log_p_z / slope.abs()


@wrong("change_of_variables")
def change_slope_not_logged(log_p_z, slope):
    # log forgotten
    return log_p_z - slope.abs()


@wrong("change_of_variables")
def change_abs_outside(log_p_z, slope):
    # the bars around the logarithm
    return log_p_z - slope.log().abs()


@wrong("change_of_variables")
def change_as_density(log_p_z, slope):
    # the density, not its logarithm
    return log_p_z.exp() / slope.abs()


@wrong("change_of_variables")
def change_clamped(log_p_z, slope):
    # a slope must be positive: clamp for safety
    return log_p_z - slope.clamp(min=1e-6).log()


@wrong("change_of_variables")
def change_one_determinant(log_p_z, slope):
    # a Jacobian determinant is one number for all, so sum the logs
    return log_p_z - slope.abs().log().sum()


@wrong("change_of_variables")
def change_half(log_p_z, slope):
    # half the log-determinant, as with covariances
    return log_p_z - 0.5 * slope.abs().log()


@wrong("change_of_variables")
def change_log2(log_p_z, slope):
    # "a slope of 2 halves the density": so log2
    return log_p_z - slope.abs().log2()


@wrong("change_of_variables")
def change_bracket(log_p_z, slope):
    # bracket too wide
    return (log_p_z - slope.abs()).log()


# Exercise 1.4


@right("langevin_step")
def langevin_as_printed(x, gradient, step, noise):
    return x + step * gradient + math.sqrt(2 * step) * noise


@right("langevin_step")
def langevin_powers(x, g, eta, eps):
    return x + eta * g + (2 * eta) ** 0.5 * eps


@right("langevin_step")
def langevin_add(x, gradient, step, noise):
    x = x.clone()
    x.add_(gradient, alpha=step)
    return x.add_(noise, alpha=math.sqrt(2) * math.sqrt(step))


@right("langevin_step")
def langevin_as_normal(x, gradient, step, noise):
    mean = torch.add(x, gradient * step)
    scale = np.sqrt(2.0 * step)
    return mean + float(scale) * noise


@right("langevin_step")
def langevin_tensor_root(x, gradient, step, noise):
    step = torch.tensor(step)
    return x + step * gradient + torch.sqrt(2 * step) * noise


@wrong("langevin_step")
def langevin_downhill(x, gradient, step, noise):
    # gradient descent
    return x - step * gradient + math.sqrt(2 * step) * noise


@wrong("langevin_step")
def langevin_no_root(x, gradient, step, noise):
    # the noise is scaled with the variance
    return x + step * gradient + 2 * step * noise


@wrong("langevin_step")
def langevin_two_outside(x, gradient, step, noise):
    # the two outside of the root
    return x + step * gradient + 2 * math.sqrt(step) * noise


@wrong("langevin_step")
def langevin_two_forgotten(x, gradient, step, noise):
    # noise with the variance of the step, as for Brownian motion
    return x + step * gradient + math.sqrt(step) * noise


@wrong("langevin_step")
def langevin_half_gradient(x, gradient, step, noise):
    # the other convention of the literature: step / 2, sqrt(step)
    return x + step / 2 * gradient + math.sqrt(step) * noise


@wrong("langevin_step")
def langevin_no_noise(x, gradient, step, noise):
    # plain ascent
    return x + step * gradient


@wrong("langevin_step")
def langevin_only_the_move(x, gradient, step, noise):
    # the change of x only
    return step * gradient + math.sqrt(2 * step) * noise


@wrong("langevin_step")
def langevin_step_times_all(x, gradient, step, noise):
    # the step before a bracket
    return x + step * (gradient + math.sqrt(2 * step) * noise)


@wrong("langevin_step")
def langevin_own_noise(x, gradient, step, noise):
    # fresh noise, the argument is ignored
    return x + step * gradient + math.sqrt(2 * step) * torch.randn_like(x)


@wrong("langevin_step")
def langevin_noise_not_scaled(x, gradient, step, noise):
    # the noise as it comes
    return x + step * gradient + noise


@wrong("langevin_step")
def langevin_gradient_not_scaled(x, gradient, step, noise):
    # the step belongs to the noise only
    return x + gradient + math.sqrt(2 * step) * noise


@wrong("langevin_step")
def langevin_noise_subtracted(x, gradient, step, noise):
    # subtracting noise makes samples cleaner (as in diffusion models)
    return x + step * gradient - math.sqrt(2 * step) * noise


# Exercise 1.5


@right("bits_per_dimension")
def bpd_as_printed(nats):
    return -nats / (784 * math.log(2))


@right("bits_per_dimension")
def bpd_log2_e(log_p):
    return -log_p * math.log2(math.e) / 784


@right("bits_per_dimension")
def bpd_numpy(nats):
    return -nats / np.log(2) / (28 * 28)


@right("bits_per_dimension")
def bpd_in_steps(nats):
    bits = -nats / math.log(2)
    number_of_pixels = 28**2
    return bits / number_of_pixels


@wrong("bits_per_dimension")
def bpd_negative(nats):
    # the minus sign forgotten
    return nats / (784 * math.log(2))


@wrong("bits_per_dimension")
def bpd_still_nats(nats):
    # nats are bits
    return -nats / 784


@wrong("bits_per_dimension")
def bpd_times_log2(nats):
    # nats to bits the wrong way round
    return -nats * math.log(2) / 784


@wrong("bits_per_dimension")
def bpd_bracket(nats):
    # divided by D, then multiplied by log 2
    return -nats / 784 * math.log(2)


@wrong("bits_per_dimension")
def bpd_whole_image(nats):
    # bits of the image
    return -nats / math.log(2)


@wrong("bits_per_dimension")
def bpd_side_only(nats):
    # 28 pixels
    return -nats / (28 * math.log(2))


@wrong("bits_per_dimension")
def bpd_base_ten(nats):
    # log on a calculator is base ten
    return -nats / (784 * math.log10(2))


@wrong("bits_per_dimension")
def bpd_log2_of_2(nats):
    # log2(2) = 1, so nothing happens
    return -nats / (784 * math.log2(2))


@wrong("bits_per_dimension")
def bpd_floor(nats):
    # integer division
    return -nats // (784 * math.log(2))


@wrong("bits_per_dimension")
def bpd_log_of_nats(nats):
    # "minus log": takes the logarithm of the nats
    return -math.log2(-nats) / 784


@wrong("bits_per_dimension")
def bpd_rounded(nats):
    # as it is printed
    return round(float(-nats / (784 * math.log(2))), 2)


@right("gaussian_log_density")
def density_by_multivariate(x, mean, log_var):
    x, mean, log_var = torch.broadcast_tensors(x, mean, log_var)
    normal = distributions.MultivariateNormal(mean[..., None], log_var.exp()[..., None, None])
    return normal.log_prob(x[..., None])


@wrong("gaussian_log_density")
def density_by_scipy_with_variance(x, mean, log_var):
    # scipy's scale taken for the variance
    return torch.as_tensor(
        stats.norm(mean.detach().numpy(), log_var.detach().exp().numpy()).logpdf(x.detach().numpy())
    )


# Exercises 1.2, 1.5, 1.7 and 1.9 to 1.11: written by one who knew the solutions


@right("likelihood_split.1")
def likelihood_as_a_product(p, q):
    return p @ torch.log(q)


@right("likelihood_split.1")
def likelihood_by_loop(p, q):
    return sum(a * math.log(b) for a, b in zip(p.tolist(), q.tolist(), strict=True))


@wrong("likelihood_split.1")
def likelihood_unweighted(p, q):
    # every value counts alike
    return q.log().sum()


@wrong("likelihood_split.1")
def likelihood_of_the_data_under_the_data(p, q):
    # which is the model?
    return (q * p.log()).sum()


@right("likelihood_split.2")
def entropy_by_torch(p, q):
    return distributions.Categorical(p).entropy()


@wrong("likelihood_split.2")
def entropy_with_sign(p, q):
    # the expectation of log p
    return (p * p.log()).sum()


@wrong("likelihood_split.2")
def entropy_in_bits(p, q):
    return -(p * p.log2()).sum()


@right("likelihood_split.3")
def split_kl_by_torch(p, q):
    return distributions.kl_divergence(distributions.Categorical(p), distributions.Categorical(q))


@right("likelihood_split.3")
def split_kl_as_a_difference(p, q):
    return (p * (p.log() - q.log())).sum()


@wrong("likelihood_split.3")
def split_kl_the_other_way(p, q):
    return (q * (q / p).log()).sum()


@wrong("likelihood_split.3")
def split_kl_upside_down(p, q):
    return (p * (q / p).log()).sum()


@right("coupling")
def coupling_divided(x, t, s):
    return torch.stack(((x[:, 1] - t) / s.exp(), x[:, 0]), 1)


@right("coupling")
def coupling_by_columns(x, t, s):
    return torch.cat([((x[:, 1] - t) * torch.exp(-s))[:, None], x[:, :1]], 1)


@wrong("coupling")
def coupling_added(x, t, s):
    # the layer adds the shift
    return torch.stack([(x[:, 1] + t) * (-s).exp(), x[:, 0]], -1)


@wrong("coupling")
def coupling_half(x, t, s):
    # s is a log-variance
    return torch.stack([(x[:, 1] - t) * (-s / 2).exp(), x[:, 0]], -1)


@wrong("coupling")
def coupling_forward(x, t, s):
    return torch.stack([x[:, 0], x[:, 1] * s.exp() + t], -1)


@right("energy_loss")
def energy_as_minus_likelihood(data, samples):
    return -(data.mean() - samples.mean())


@right("energy_loss")
def energy_by_sums(data, samples):
    return samples.sum() / len(samples) - data.sum() / len(data)


@wrong("energy_loss")
def energy_as_likelihood(data, samples):
    return data.mean() - samples.mean()


@wrong("energy_loss")
def energy_with_log_z(data, samples):
    # Z is the mean of exp f
    return samples.exp().mean().log() - data.mean()


@wrong("energy_loss")
def energy_summed_over_data(data, samples):
    return samples.mean() - data.sum()


@right("m_step")
def m_step_by_einsum(x, r, alpha):
    return (alpha + torch.einsum("nc,nd->cd", r, x)) / (2 * alpha + r.sum(0).unsqueeze(1))


@right("m_step")
def m_step_by_component(x, r, alpha):
    return torch.stack([(alpha + w @ x) / (2 * alpha + w.sum()) for w in r.T])


@wrong("m_step")
def m_step_one_alpha_below(x, r, alpha):
    return (alpha + r.T @ x) / (alpha + r.sum(0)[:, None])


@wrong("m_step")
def m_step_over_all_images(x, r, alpha):
    return (alpha + r.T @ x) / len(x)


@wrong("m_step")
def m_step_with_laplace(x, r, alpha):
    # Laplace's rule adds one
    return (1 + r.T @ x) / (2 + r.sum(0)[:, None])


@right("belief_logits")
def belief_by_linear(x, weight, offset):
    return F.linear(x, torch.tril(weight, diagonal=-1), offset)


@right("belief_logits")
def belief_by_upper_triangle(x, weight, offset):
    return x @ weight.T.triu(1) + offset


@wrong("belief_logits")
def belief_that_sees_itself(x, weight, offset):
    return x @ weight.tril().T + offset


@wrong("belief_logits")
def belief_minus_threshold(x, weight, offset):
    # the offset is a threshold
    return x @ weight.tril(-1).T - offset


@wrong("belief_logits")
def belief_one_short(x, weight, offset):
    return x @ weight.tril(-2).T + offset


@right("mixture_sampler")
def sampler_by_root(mean, log_var, component, noise):
    return mean[component] + log_var[component].exp().sqrt() * noise


@right("mixture_sampler")
def sampler_indexed_last(m, v, k, e):
    return torch.exp(0.5 * v)[k] * e + m[k]


@wrong("mixture_sampler")
def sampler_as_published(mean, log_var, component, noise):
    return mean[component] + log_var[component].exp() * noise


@wrong("mixture_sampler")
def sampler_without_exponential(mean, log_var, component, noise):
    return mean[component] + log_var[component].abs().sqrt() * noise


@wrong("mixture_sampler")
def sampler_mirrored(mean, log_var, component, noise):
    return mean[component] - (log_var[component] / 2).exp() * noise
