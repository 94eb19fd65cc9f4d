from labutils.exercises import n03

import math

import numpy as np
import torch
from scipy import special
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence
from torch.nn import functional as F

from . import right, wrong

# Exercise 3.1


@right("kl_gaussian")
def kl_as_printed(mean, log_var):
    return 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum(-1)


@right("kl_gaussian")
def kl_usual_code(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)


@right("kl_gaussian")
def kl_by_torch(mean, log_var):
    return kl_divergence(Normal(mean, torch.exp(log_var / 2)), Normal(0.0, 1.0)).sum(dim=-1)


@right("kl_gaussian")
def kl_independent(m, lv):
    q = Independent(Normal(m, (0.5 * lv).exp()), 1)
    p = Independent(Normal(torch.zeros_like(m), torch.ones_like(m)), 1)
    return kl_divergence(q, p)


@right("kl_gaussian")
def kl_loop(mean, log_var):
    total = torch.zeros(len(mean))
    for j in range(mean.shape[1]):
        total = total + (torch.expm1(log_var[:, j]) - log_var[:, j] + mean[:, j] ** 2) / 2
    return total


@right("kl_gaussian")
def kl_einsum(mean, log_var):
    squares = torch.einsum("ni,ni->n", mean, mean)
    return (log_var.exp().sum(1) + squares - mean.shape[1] - log_var.sum(1)) / 2


@wrong("kl_gaussian")
def kl_mean_over_latents(mean, log_var):
    # mean for sum
    return 0.5 * (log_var.exp() + mean**2 - 1 - log_var).mean(-1)


@wrong("kl_gaussian")
def kl_summed_over_all(mean, log_var):
    # one number for the batch
    return 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum()


@wrong("kl_gaussian")
def kl_over_batch(mean, log_var):
    # the other axis
    return 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum(0)


@wrong("kl_gaussian")
def kl_mean_of_batch(mean, log_var):
    # summed over latents, averaged over the batch
    return 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum(-1).mean()


@wrong("kl_gaussian")
def kl_no_half(mean, log_var):
    # one half forgotten
    return (log_var.exp() + mean**2 - 1 - log_var).sum(-1)


@wrong("kl_gaussian")
def kl_negative(mean, log_var):
    # the term of the ELBO with its sign
    return 0.5 * (1 + log_var - mean**2 - log_var.exp()).sum(-1)


@wrong("kl_gaussian")
def kl_log_var_as_sigma(mean, log_var):
    # sigma = exp(log_var)
    return 0.5 * (log_var.exp() ** 2 + mean**2 - 1 - log_var).sum(-1)


@wrong("kl_gaussian")
def kl_log_var_as_log_sigma(mean, log_var):
    # log_var is log sigma throughout
    return 0.5 * ((2 * log_var).exp() + mean**2 - 1 - 2 * log_var).sum(-1)


@wrong("kl_gaussian")
def kl_log_var_as_variance(mean, log_var):
    # log_var is the variance
    return 0.5 * (log_var + mean**2 - 1 - log_var.log()).sum(-1)


@wrong("kl_gaussian")
def kl_mean_not_squared(mean, log_var):
    # the mean not squared
    return 0.5 * (log_var.exp() + mean - 1 - log_var).sum(-1)


@wrong("kl_gaussian")
def kl_without_mean(mean, log_var):
    # the mean forgotten
    return 0.5 * (log_var.exp() - 1 - log_var).sum(-1)


@wrong("kl_gaussian")
def kl_one_not_per_dimension(mean, log_var):
    # the 1 taken out of the sum
    return 0.5 * ((log_var.exp() + mean**2 - log_var).sum(-1) - 1)


@wrong("kl_gaussian")
def kl_half_on_first_only(mean, log_var):
    # brackets
    return (0.5 * log_var.exp() + mean**2 - 1 - log_var).sum(-1)


@wrong("kl_gaussian")
def kl_reversed(mean, log_var):
    # KL(p, q)
    p = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    return kl_divergence(p, Normal(mean, (log_var / 2).exp())).sum(-1)


@wrong("kl_gaussian")
def kl_torch_with_variance(mean, log_var):
    # Normal takes the variance
    return kl_divergence(Normal(mean, log_var.exp()), Normal(0.0, 1.0)).sum(-1)


@wrong("kl_gaussian")
def kl_per_dimension(mean, log_var):
    # the sum forgotten
    return 0.5 * (log_var.exp() + mean**2 - 1 - log_var)


@wrong("kl_gaussian")
def kl_log_sign(mean, log_var):
    # + log var
    return 0.5 * (log_var.exp() + mean**2 - 1 + log_var).sum(-1)


@wrong("kl_gaussian")
def kl_hard_coded_two(mean, log_var):
    # the model of this notebook has two latent dimensions
    return 0.5 * (log_var.exp() + mean**2 - log_var).sum(-1) - 1


@wrong("kl_gaussian")
def kl_keepdim(mean, log_var):
    # keeps an axis, to be safe
    return 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum(-1, keepdim=True)


# Exercise 3.2


@right("reparameterise")
def sample_as_hinted(mean, log_var, eps):
    return mean + (log_var / 2).exp() * eps


@right("reparameterise")
def sample_by_root(mu, logvar, noise):
    return mu + torch.sqrt(torch.exp(logvar)) * noise


@right("reparameterise")
def sample_addcmul(mean, log_var, eps):
    std = log_var.mul(0.5).exp()
    return torch.addcmul(mean, std, eps)


@right("reparameterise")
def sample_power(m, lv, e):
    return e * math.e ** (0.5 * lv) + m


@right("reparameterise")
def sample_row_by_row(mean, log_var, eps):
    rows = [m + torch.diag((v / 2).exp()) @ e for m, v, e in zip(mean, log_var, eps, strict=True)]
    return torch.stack(rows)


@right("reparameterise")
def sample_by_transform(mean, log_var, eps):
    transform = torch.distributions.AffineTransform(mean, torch.exp(0.5 * log_var))
    return transform(eps)


@wrong("reparameterise")
def sample_without_mean(mean, log_var, eps):
    # the mean forgotten
    return (log_var / 2).exp() * eps


@wrong("reparameterise")
def sample_variance_for_sigma(mean, log_var, eps):
    # the half forgotten
    return mean + log_var.exp() * eps


@wrong("reparameterise")
def sample_log_var_as_sigma(mean, log_var, eps):
    # log_var is sigma
    return mean + log_var * eps


@wrong("reparameterise")
def sample_half_outside(mean, log_var, eps):
    # half outside exp
    return mean + log_var.exp() / 2 * eps


@wrong("reparameterise")
def sample_own_noise(mean, log_var, eps):
    # draws noise itself
    return mean + (log_var / 2).exp() * torch.randn_like(mean)


@wrong("reparameterise")
def sample_rsample(mean, log_var, eps):
    # torch can do that
    return Normal(mean, (log_var / 2).exp()).rsample()


@wrong("reparameterise")
def sample_brackets(mean, log_var, eps):
    # (mu + sigma) eps
    return (mean + (log_var / 2).exp()) * eps


@wrong("reparameterise")
def sample_two_log_var(mean, log_var, eps):
    # times two where one divides
    return mean + (2 * log_var).exp() * eps


@wrong("reparameterise")
def sample_root_of_log_var(mean, log_var, eps):
    # square root of log_var
    return mean + log_var.abs().sqrt() * eps


@wrong("reparameterise")
def sample_detached(mean, log_var, eps):
    # sampling needs no gradient
    with torch.no_grad():
        return mean + (log_var / 2).exp() * eps


@wrong("reparameterise")
def sample_detached_sigma(mean, log_var, eps):
    # detached scale: gradient of the mean only
    return mean + (log_var / 2).exp().detach() * eps


@wrong("reparameterise")
def sample_sign(mean, log_var, eps):
    # standardises: the inverse direction
    return (eps - mean) / (log_var / 2).exp()


@wrong("reparameterise")
def sample_divided(mean, log_var, eps):
    # half the log precision
    return mean + (-log_var / 2).exp() * eps


@wrong("reparameterise")
def sample_matmul(mean, log_var, eps):
    # a matrix product
    return mean + (log_var / 2).exp() @ eps.T @ eps


@wrong("reparameterise")
def sample_noise_only_added(mean, log_var, eps):
    # shifted, not scaled
    return mean + eps


# The lines of the KL term


@right("kl_lines.1")
def entropy_of_torch(mean, log_var):
    return -Normal(mean, (log_var / 2).exp()).entropy()


@wrong("kl_lines.1")
def entropy_without_the_constant(mean, log_var):
    # constants do not matter
    return -0.5 * (log_var + 1)


@wrong("kl_lines.1")
def entropy_itself(mean, log_var):
    # the entropy, not minus it
    return 0.5 * (math.log(2 * math.pi) + log_var + 1)


@wrong("kl_lines.1")
def density_at_the_mean(mean, log_var):
    # z replaced by its mean
    return Normal(mean, (log_var / 2).exp()).log_prob(mean)


@right("kl_lines.2")
def second_moment(mean, log_var):
    second = mean.square() + log_var.exp()
    return -(second + math.log(2 * math.pi)) / 2


@wrong("kl_lines.2")
def only_the_mean(mean, log_var):
    # z replaced by its mean
    return Normal(0.0, 1.0).log_prob(mean)


@wrong("kl_lines.2")
def variance_not_exponentiated(mean, log_var):
    # log_var is the variance
    return -0.5 * (math.log(2 * math.pi) + log_var + mean**2)


@right("kl_lines.3")
def by_torch_of_each(mean, log_var):
    return kl_divergence(Normal(mean, (log_var / 2).exp()), Normal(0.0, 1.0))


@wrong("kl_lines.3")
def other_order(mean, log_var):
    # E log p - E log q
    return -0.5 * (log_var.exp() + mean**2 - 1 - log_var)


@wrong("kl_lines.3")
def summed_already(mean, log_var):
    # the sum over j
    return 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum(-1)


# The decoder


@right("vae_decoder")
class ByHand(nn.Module):
    def __init__(self, latent_dim, hidden_dim, pixels=784):
        super().__init__()
        self.hidden, self.output = nn.Linear(latent_dim, hidden_dim), nn.Linear(hidden_dim, pixels)

    def forward(self, z):
        h = self.hidden(z).clamp(min=0)
        return h @ self.output.weight.T + self.output.bias


@wrong("vae_decoder")
class WithSigmoid(ByHand):
    # a Bernoulli has a probability
    def forward(self, z):
        return torch.sigmoid(self.output(torch.relu(self.hidden(z))))


@wrong("vae_decoder")
class NoActivation(ByHand):
    # the ReLU forgotten
    def forward(self, z):
        return self.output(self.hidden(z))


# The ELBO


def by_parts(model, x, eps):
    """What the other answers share."""
    mean, log_var = model.encoder(x)
    z = mean + (log_var / 2).exp() * eps
    ll = Bernoulli(logits=model.decoder(z)).log_prob(x.expand(len(eps), *x.shape)).sum(-1)
    return ll, 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum(-1)


@right("elbo")
def elbo_by_torch(model, x, eps):
    ll, kl = by_parts(model, x, eps)
    return (ll.mean(0) - kl).mean()


@right("elbo")
def elbo_cross_entropy(model, x, eps):
    mean, log_var = model.encoder(x)
    logits = model.decoder(mean + torch.exp(0.5 * log_var) * eps)
    target = x.expand_as(logits)
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="sum")
    kl = -0.5 * torch.sum(1 + log_var - mean**2 - log_var.exp())
    return -bce / (len(eps) * len(x)) - kl / len(x)


@wrong("elbo")
def elbo_pixel_mean(model, x, eps):
    # the usual binary cross-entropy, a mean
    mean, log_var = model.encoder(x)
    logits = model.decoder(mean + torch.exp(0.5 * log_var) * eps)
    bce = F.binary_cross_entropy_with_logits(logits, x.expand_as(logits))
    return -bce - 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum(-1).mean()


@wrong("elbo")
def elbo_as_loss(model, x, eps):
    # the loss
    ll, kl = by_parts(model, x, eps)
    return (kl - ll.mean(0)).mean()


@wrong("elbo")
def elbo_kl_added(model, x, eps):
    # the sign of the KL
    ll, kl = by_parts(model, x, eps)
    return (ll.mean(0) + kl).mean()


@wrong("elbo")
def elbo_of_the_mean(model, x, eps):
    # no noise
    ll, kl = by_parts(model, x, torch.zeros_like(eps))
    return (ll.mean(0) - kl).mean()


@wrong("elbo")
def elbo_one_noise(model, x, eps):
    # one epsilon for the batch
    ll, kl = by_parts(model, x, eps[:, :1].expand_as(eps))
    return (ll.mean(0) - kl).mean()


@wrong("elbo")
def elbo_adds_likelihoods(model, x, eps):
    # logsumexp over the samples
    ll, kl = by_parts(model, x, eps)
    return (ll.logsumexp(0) - kl).mean()


@wrong("elbo")
def elbo_all_kl(model, x, eps):
    # the KL of the whole batch
    ll, kl = by_parts(model, x, eps)
    return ll.mean() - kl.sum()


@wrong("elbo")
def elbo_of_probabilities(model, x, eps):
    # probabilities into the formula for logits
    mean, log_var = model.encoder(x)
    probs = model.decoder(mean + torch.exp(0.5 * log_var) * eps).sigmoid()
    ll = (x * probs - F.softplus(probs)).sum(-1).mean(0)
    return (ll - 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum(-1)).mean()


# The loop


@right("train_vae")
def loop_as_usual(model, batches, optimiser):
    for x, eps in batches:
        loss = -n03.elbo(model, x, eps)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


@wrong("train_vae")
def loop_uphill(model, batches, optimiser):
    # the ELBO is to be maximised
    for x, eps in batches:
        optimiser.zero_grad()
        n03.elbo(model, x, eps).backward()
        optimiser.step()


@wrong("train_vae")
def loop_adds_up(model, batches, optimiser):
    # no zero_grad
    for x, eps in batches:
        (-n03.elbo(model, x, eps)).backward()
        optimiser.step()


@wrong("train_vae")
def loop_two_epochs(model, batches, optimiser):
    # twice is better
    for x, eps in list(batches) * 2:
        optimiser.zero_grad()
        (-n03.elbo(model, x, eps)).backward()
        optimiser.step()


# Exercise 3.4


@right("importance_weighted")
def bound_as_hinted(log_weight):
    return log_weight.logsumexp(0) - math.log(len(log_weight))


@right("importance_weighted")
def bound_shifted(log_weight):
    largest = log_weight.max(dim=0).values
    return largest + (log_weight - largest).exp().mean(0).log()


@right("importance_weighted")
def bound_by_scipy(log_w):
    K = log_w.shape[0]
    return torch.from_numpy(special.logsumexp(log_w.numpy(), axis=0, b=1 / K))


@right("importance_weighted")
def bound_inside(log_weight):
    return torch.logsumexp(log_weight - np.log(log_weight.shape[0]), dim=0)


@right("importance_weighted")
def bound_in_double(log_weight):
    total = log_weight[0]
    for row in log_weight[1:]:
        total = torch.logaddexp(total, row)
    return total - torch.tensor(float(len(log_weight))).log()


@wrong("importance_weighted")
def bound_underflows(log_weight):
    # as printed
    return log_weight.exp().mean(0).log()


@wrong("importance_weighted")
def bound_mean_of_logs(log_weight):
    # the ELBO: the logarithm inside the mean
    return log_weight.mean(0)


@wrong("importance_weighted")
def bound_log_k_forgotten(log_weight):
    # the sum, not the mean
    return log_weight.logsumexp(0)


@wrong("importance_weighted")
def bound_log_k_added(log_weight):
    # plus log K
    return log_weight.logsumexp(0) + math.log(len(log_weight))


@wrong("importance_weighted")
def bound_divided_outside(log_weight):
    # divided by K outside of the logarithm
    return log_weight.logsumexp(0) / len(log_weight)


@wrong("importance_weighted")
def bound_wrong_axis(log_weight):
    # over the batch
    return log_weight.logsumexp(1) - math.log(log_weight.shape[1])


@wrong("importance_weighted")
def bound_log_batch(log_weight):
    # log of the wrong size
    return log_weight.logsumexp(0) - math.log(log_weight.shape[1])


@wrong("importance_weighted")
def bound_one_number(log_weight):
    # averaged over the batch
    return (log_weight.logsumexp(0) - math.log(len(log_weight))).mean()


@wrong("importance_weighted")
def bound_ten(log_weight):
    # the notebook uses ten samples
    return log_weight.logsumexp(0) - math.log(10)


@wrong("importance_weighted")
def bound_k_not_logged(log_weight):
    # K, not log K
    return log_weight.logsumexp(0) - len(log_weight)


@wrong("importance_weighted")
def bound_log2(log_weight):
    # base two
    return log_weight.logsumexp(0) - math.log2(len(log_weight))


@wrong("importance_weighted")
def bound_max(log_weight):
    # the largest weight carries the sum
    return log_weight.max(0).values


@wrong("importance_weighted")
def bound_epsilon(log_weight):
    # a small number against log 0
    return (log_weight.exp().mean(0) + 1e-10).log()


@wrong("importance_weighted")
def bound_numel(log_weight):
    # K taken from the number of all weights
    return log_weight.logsumexp(0) - math.log(log_weight.numel())


@wrong("importance_weighted")
def bound_no_log_at_the_end(log_weight):
    # the mean weight
    return log_weight.exp().mean(0)


@wrong("importance_weighted")
def bound_all_at_once(log_weight):
    # logsumexp over everything, log of everything
    return torch.logsumexp(log_weight.flatten(), 0) - math.log(log_weight.numel())


@wrong("importance_weighted")
def bound_normalised(log_weight):
    # self-normalised weights times log weights
    return (log_weight.softmax(0) * log_weight).sum(0)


@wrong("importance_weighted")
def bound_minus(log_weight):
    # a loss
    return math.log(len(log_weight)) - log_weight.logsumexp(0)
