"""Right answers, in the many ways in which one may write them."""

RIGHT = {
    "gaussian_log_density": [
        "lambda x, mean, log_var: Normal(mean, (log_var / 2).exp()).log_prob(x)",
        "lambda x, m, s: -(math.log(2 * math.pi) + s + (x - m).square() * (-s).exp()) / 2",
        "lambda x, mean, log_var: -0.5 * (torch.log(2 * torch.pi * torch.exp(log_var))"
        " + (x - mean) ** 2 / torch.exp(log_var))",
    ],
    "likelihood_split.1": [
        "lambda p, q: p @ torch.log(q)",
        "lambda p, q: sum(a * math.log(b) for a, b in zip(p.tolist(), q.tolist()))",
    ],
    "likelihood_split.2": [
        "lambda p, q: Categorical(p).entropy()",
        "lambda p, q: (p * (1 / p).log()).sum()",
    ],
    "likelihood_split.3": [
        "lambda p, q: kl_divergence(Categorical(p), Categorical(q))",
        "lambda p, q: (p * (p.log() - q.log())).sum()",
    ],
    "coupling": [
        "lambda x, t, s: torch.stack(((x[:, 1] - t) / s.exp(), x[:, 0]), 1)",
        "lambda x, t, s: torch.cat([((x[:, 1] - t) / torch.exp(s))[:, None], x[:, :1]], 1)",
    ],
    "energy_loss": [
        "lambda data, samples: -(data.mean() - samples.mean())",
        "lambda a, b: b.sum() / len(b) - a.sum() / len(a)",
    ],
    "m_step": [
        "lambda x, r, a: (a + torch.einsum('nc,nd->cd', r, x)) / (2 * a + r.sum(0).unsqueeze(1))",
        "lambda x, r, a: torch.stack([(a + (w[:, None] * x).sum(0)) / (2 * a + w.sum())"
        " for w in r.T])",
    ],
    "belief_logits": [
        "lambda x, w, b: F.linear(x, torch.tril(w, diagonal=-1), b)",
        "lambda x, w, b: x @ w.T.triu(1) + b",
    ],
    "mixture_sampler": [
        "lambda m, v, k, e: m[k] + v[k].exp().sqrt() * e",
        "lambda m, v, k, e: torch.exp(0.5 * v)[k] * e + m[k]",
    ],
    "bayes_rule": [
        "lambda a, b: (a + b).log_softmax(-1)",
        "lambda a, b: torch.log_softmax(a + b[None, :], dim=1)",
        "lambda a, b: Categorical(logits=a + b).logits",
        """
def answer(log_p_x_given_y, log_prior):
    joint = (log_p_x_given_y + log_prior).numpy()
    return joint - scipy.special.logsumexp(joint, axis=1, keepdims=True)
""",
    ],
    "change_of_variables": [
        "lambda log_p_z, slope: log_p_z + (1 / slope.abs()).log()",
        "lambda p, s: p - 0.5 * torch.log(s * s)",
        "lambda p, s: p.numpy() - np.log(np.abs(s.numpy()))",
    ],
    "langevin_step": [
        "lambda x, g, step, noise: x + step * g + (2 * step) ** 0.5 * noise",
        "lambda x, g, step, noise: torch.add(x, g, alpha=step) + noise * math.sqrt(2 * step)",
        """
def answer(x, gradient, step, noise):
    new = x.clone()
    new += step * gradient
    new += np.sqrt(2 * step) * noise
    return new
""",
    ],
    "bits_per_dimension": [
        "lambda nats: -nats / math.log(2) / 784",
        "lambda nats: (-nats * math.log2(math.e)) / 28**2",
        "lambda nats: np.array([-x / 784 / np.log(2) for x in nats.tolist()])",
    ],
    "parameter_count": [
        "lambda h: (784 + 1) * h + (h + 1) * 10",
        "lambda hidden_dim: 795 * hidden_dim + 10",
        "lambda h: sum(p.numel() for p in nn.Sequential(nn.Linear(784, h), nn.ReLU(),"
        " nn.Linear(h, 10)).parameters())",
        "lambda h: np.int64(h) * 795 + 10",
    ],
    "classifier_logits": [
        "lambda x, W1, b1, W2, b2, mask, r:"
        " F.linear(F.linear(x, W1, b1).relu() * mask / (1 - r), W2, b2)",
        "lambda x, W1, b1, W2, b2, mask, ratio:"
        " torch.clamp(x @ W1.T + b1, min=0) * mask @ W2.T / (1 - ratio) + b2",
        "lambda x, W1, b1, W2, b2, mask, ratio: torch.einsum('bh,kh->bk',"
        " mask * torch.relu(torch.einsum('bi,hi->bh', x, W1) + b1), W2) * (1 / (1 - ratio)) + b2",
    ],
    "cross_entropy": [
        "lambda logits, labels: F.cross_entropy(logits, labels)",
        "lambda logits, labels: -Categorical(logits=logits).log_prob(labels).mean()",
        "lambda a, y: -a.log_softmax(1).gather(1, y[:, None]).mean()",
        """
def answer(logits, labels):
    total = 0
    for row, label in zip(logits, labels):
        total = total + torch.logsumexp(row, 0) - row[label]
    return total / len(labels)
""",
    ],
    "half_width": [
        "lambda error, n: 1.96 * (error * (1 - error)) ** 0.5 / n**0.5",
        "lambda e, n: 1.96 * np.sqrt((e - e**2) / n)",
        "lambda e, n: scipy.stats.norm.ppf(0.975) * math.sqrt(e * (1 - e) / n)",
    ],
    "kl_gaussian": [
        "lambda mean, log_var: -0.5 * (1 + log_var - mean.pow(2) - log_var.exp()).sum(dim=1)",
        "lambda m, v: kl_divergence(Independent(Normal(m, (v / 2).exp()), 1),"
        " Independent(Normal(torch.zeros_like(m), torch.ones_like(m)), 1))",
        "lambda m, v: (0.5 * m * m + 0.5 * v.exp() - 0.5 - 0.5 * v).sum(-1)",
    ],
    "reparameterise": [
        "lambda mean, log_var, eps: mean + eps * torch.exp(0.5 * log_var)",
        "lambda mean, log_var, eps: torch.addcmul(mean, log_var.exp().sqrt(), eps)",
    ],
    "minibatch_elbo": [
        "lambda a, kl: a.mean() - kl.mean()",
        "lambda a, kl: (a - kl).mean()",
        "lambda a, kl: (a.sum(0) / len(a) - kl).sum() / len(kl)",
    ],
    "importance_weighted": [
        "lambda w: torch.logsumexp(w - math.log(w.shape[0]), dim=0)",
        "lambda w: (w - w.amax(0)).exp().mean(0).log() + w.amax(0)",
        "lambda w: scipy.special.logsumexp(w.numpy(), axis=0) - np.log(w.shape[0])",
    ],
    "kl_bits": [
        "lambda a: (math.log(2) + a.sigmoid() * F.logsigmoid(a)"
        " + (1 - a.sigmoid()) * F.logsigmoid(-a)).sum(-1)",
        "lambda a: kl_divergence(Bernoulli(logits=a), Bernoulli(torch.tensor(0.5))).sum(1)",
        "lambda a: a.shape[-1] * math.log(2) - (F.softplus(a) - a * a.sigmoid()).sum(-1)",
    ],
    "leave_one_out_gradient": [
        "lambda g, z, a: torch.stack([(g[l] - (g.sum(0) - g[l]) / (len(g) - 1))[:, None]"
        " * (z[l] - a.sigmoid()) for l in range(len(g))]).mean(0)",
        "lambda g, z, a: ((g - g.mean(0)) * len(g) / (len(g) - 1)).unsqueeze(-1)"
        ".mul(z - a.sigmoid()).mean(0)",
    ],
    "relaxed_bits": [
        "lambda logits, u, t: torch.sigmoid((logits + torch.log(u) - torch.log(1 - u)) / t)",
        "lambda a, u, t: 1 / (1 + torch.exp(-(a + torch.logit(u)) / t))",
    ],
    "hard_elbo": [
        "lambda r, kl, x, W, b: -F.binary_cross_entropy_with_logits(F.linear((r >= 0.5).float(),"
        " W, b), x.expand(len(r), -1, -1), reduction='none').sum(-1).mean(0) - kl",
        "lambda r, kl, x, W, b: Bernoulli(logits=r.round() @ W.T + b).log_prob(x).sum(2).mean(0)"
        " - kl",
    ],
    "responsibilities": [
        "lambda w, d: torch.softmax(w + d, dim=1)",
        "lambda w, d: ((w + d) - torch.logsumexp(w + d, 1, keepdim=True)).exp()",
        "lambda w, d: scipy.special.softmax((w + d).numpy(), axis=1)",
    ],
    "bic": [
        "lambda total, k, d, n: (k * (1 + d + d * (d + 1) / 2) - 1) * np.log(n) - 2 * total",
        "lambda total, k, d, n: -2 * total + math.log(n) * ((k - 1) + k * d + k * d * (d + 1) / 2)",
    ],
    "frechet_diagonal": [
        "lambda m, s, n, t: (m - n).square().sum() + (s**2 + t**2 - 2 * s * t).sum()",
        "lambda m, s, n, t: torch.dist(m, n) ** 2 + torch.norm(s - t) ** 2",
        "lambda m, s, n, t: float(((m - n) ** 2 + (s - t) ** 2).sum())",
    ],
    "precision": [
        "lambda d, r: ((d <= r[None]).sum(1) > 0).double().mean()",
        "lambda d, r: np.mean(np.any(d.numpy() <= r.numpy(), axis=1))",
        "lambda d, r: sum(bool((row <= r).any()) for row in d) / len(d)",
        "lambda d, r: (d - r <= 0).any(dim=-1).sum() / d.shape[0]",
    ],
}
