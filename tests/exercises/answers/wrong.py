"""Wrong answers, each as a student might have thought of it."""

WRONG = {
    "gaussian_log_density": [
        # log_var is taken for the variance in one place
        "lambda x, m, v: -0.5 * (math.log(2 * math.pi) + v.log().nan_to_num() + (x - m) ** 2 / v)",
        # the square is forgotten
        "lambda x, m, v: -0.5 * (math.log(2 * math.pi) + v + (x - m) / v.exp())",
        # the pixel axis summed, though each number is asked for
        "lambda x, m, v: Normal(m, (v / 2).exp()).log_prob(x).sum(-1)",
        # sigma is exp(log_var)
        "lambda x, m, v: Normal(m, v.exp()).log_prob(x)",
        # pi without its two
        "lambda x, m, v: -0.5 * (math.log(math.pi) + v + (x - m) ** 2 / v.exp())",
    ],
    "likelihood_split.1": [
        "lambda p, q: q.log().sum()",
        "lambda p, q: (q * p.log()).sum()",
    ],
    "likelihood_split.2": [
        "lambda p, q: (p * p.log()).sum()",
        "lambda p, q: -(p * p.log2()).sum()",
    ],
    "likelihood_split.3": [
        "lambda p, q: (q * (q / p).log()).sum()",
        "lambda p, q: (p * (q / p).log()).sum()",
    ],
    "coupling": [
        "lambda x, t, s: torch.stack([(x[:, 1] + t) * (-s).exp(), x[:, 0]], -1)",
        "lambda x, t, s: torch.stack([(x[:, 1] - t) * (-s / 2).exp(), x[:, 0]], -1)",
        "lambda x, t, s: torch.stack([x[:, 0], x[:, 1] * s.exp() + t], -1)",
    ],
    "energy_loss": [
        "lambda a, b: a.mean() - b.mean()",
        "lambda a, b: (b.exp().sum() / len(b)).log() - a.mean()",
        "lambda a, b: b.mean() - a.sum()",
    ],
    "m_step": [
        "lambda x, r, a: (a + r.T @ x) / (a + r.sum(0)[:, None])",
        "lambda x, r, a: (a + r.T @ x) / len(x)",
        "lambda x, r, a: (1 + r.T @ x) / (2 + r.sum(0)[:, None])",
    ],
    "belief_logits": [
        "lambda x, w, b: x @ w.tril().T + b",
        "lambda x, w, b: x @ w.tril(-1).T - b",
        "lambda x, w, b: x @ w.tril(-2).T + b",
    ],
    "mixture_sampler": [
        "lambda m, v, k, e: m[k] + v[k].abs().sqrt() * e",
        "lambda m, v, k, e: m[k] + v[k].exp() * e",
        "lambda m, v, k, e: m[k] - (v[k] / 2).exp() * e",
    ],
    "bayes_rule": [
        "lambda a, b: a + b - b.logsumexp(0)",
        "lambda a, b: (a.exp() * b.exp()) / (a.exp() * b.exp()).sum(-1, keepdim=True)",
        "lambda a, b: (a - b).log_softmax(-1)",
        "lambda a, b: (a + b) / (a + b).sum(-1, keepdim=True)",
    ],
    "change_of_variables": [
        "lambda p, s: p - s.log().nan_to_num()",
        "lambda p, s: p * s.abs()",
        "lambda p, s: p + s.abs()",
        "lambda p, s: p - s.abs().log2()",
    ],
    "langevin_step": [
        "lambda x, g, step, noise: x + step * g + math.sqrt(step) * noise",
        "lambda x, g, step, noise: x + step * (g + noise)",
        "lambda x, g, step, noise: x + step * g + 2 * step * noise",
        "lambda x, g, step, noise: x - step * g + math.sqrt(2 * step) * torch.randn_like(x)",
    ],
    "bits_per_dimension": [
        "lambda nats: nats / math.log(2)",
        "lambda nats: -nats * math.log(2) / 784",
        "lambda nats: -nats / (math.log(2) * 256)",
    ],
    "parameter_count": [
        # the output weights forgotten
        "lambda h: 784 * h + h + 10",
        # no biases
        "lambda h: 784 * h + h * 10",
        # one bias a layer
        "lambda h: 784 * h + 1 + 10 * h + 1",
        # the size of the notebook's own network
        "lambda h: 407_050",
        "lambda h: (784 + 1) * h * (h + 1) * 10",
    ],
    "classifier_logits": [
        "lambda x, W1, b1, W2, b2, mask, r: (mask * F.relu(x @ W1.T + b1) / 0.5) @ W2.T + b2",
        "lambda x, W1, b1, W2, b2, mask, r: (mask * F.relu(x @ W1.T + b1) / r) @ W2.T + b2",
        "lambda x, W1, b1, W2, b2, mask, r:"
        " ((mask * F.relu(x @ W1.T + b1) / (1 - r)) @ W2.T + b2).softmax(-1)",
        "lambda x, W1, b1, W2, b2, mask, r:"
        " F.relu((mask * F.relu(x @ W1.T + b1) / (1 - r)) @ W2.T + b2)",
        "lambda x, W1, b1, W2, b2, mask, r:"
        " (mask * torch.sigmoid(x @ W1.T + b1) / (1 - r)) @ W2.T + b2",
    ],
    "cross_entropy": [
        "lambda a, y: F.cross_entropy(a.softmax(-1), y)",
        "lambda a, y: F.cross_entropy(a, y, reduction='sum')",
        "lambda a, y: -a[torch.arange(len(y)), y].mean()",
        "lambda a, y: a.log_softmax(-1)[torch.arange(len(y)), y].mean()",
        "lambda a, y: -a.log_softmax(0)[torch.arange(len(y)), y].mean()",
    ],
    "half_width": [
        # percent for fraction
        "lambda e, n: 1.96 * math.sqrt(100 * e * (100 - 100 * e) / n)",
        # the whole width
        "lambda e, n: 2 * 1.96 * math.sqrt(e * (1 - e) / n)",
        "lambda e, n: 1.96 * e * (1 - e) / math.sqrt(n)",
        "lambda e, n: 1.96 * math.sqrt(e / n)",
    ],
    "kl_gaussian": [
        "lambda m, v: 0.5 * (v.exp() + m**2 - 1 - v).mean(-1)",
        "lambda m, v: 0.5 * (1 + v - m**2 - v.exp()).sum(-1)",
        "lambda m, v: (v.exp() + m**2 - 1 - v).sum(-1)",
        "lambda m, v: 0.5 * (v**2 + m**2 - 1 - v.abs().log()).sum(-1)",
        "lambda m, v: 0.5 * (v.exp() + m**2 - 1 - v.exp()).sum(-1)",
        "lambda m, v: 0.5 * (v.exp().detach() + m**2 - 1 - v).sum(-1)",
    ],
    "reparameterise": [
        # the mean forgotten
        "lambda m, v, eps: (v / 2).exp() * eps",
        "lambda m, v, eps: m + v.exp() * eps",
        "lambda m, v, eps: m + v.sqrt() * eps",
        "lambda m, v, eps: m + (v / 2).exp() * torch.randn_like(m)",
        "lambda m, v, eps: (m + (v / 2).exp() * eps).detach()",
        "lambda m, v, eps: m * (v / 2).exp() + eps",
    ],
    "minibatch_elbo": [
        "lambda a, kl: a.mean() + kl.mean()",
        "lambda a, kl: kl.mean() - a.mean()",
        "lambda a, kl: a.sum(0).mean() - kl.mean()",
        "lambda a, kl: (a.mean(1) - kl.mean()).sum()",
    ],
    "importance_weighted": [
        # log K added
        "lambda w: w.logsumexp(0) + math.log(len(w))",
        "lambda w: w.mean(0)",
        "lambda w: w.exp().mean(0).log()",
        "lambda w: w.logsumexp(1) - math.log(w.shape[1])",
        "lambda w: w.logsumexp(0) - math.log2(len(w))",
        "lambda w: w.amax(0)",
    ],
    "kl_bits": [
        "lambda a: (a.sigmoid() * F.logsigmoid(a) + (1 - a.sigmoid()) * F.logsigmoid(-a)).sum(-1)",
        # one log 2 for all bits
        "lambda a: (a.sigmoid() * F.logsigmoid(a)"
        " + (1 - a.sigmoid()) * F.logsigmoid(-a)).sum(-1) + math.log(2)",
        "lambda a: (a.sigmoid() * (F.logsigmoid(a) + math.log(2))).sum(-1)",
        "lambda a: (a * F.logsigmoid(a) + (1 - a) * F.logsigmoid(-a) + math.log(2)).sum(-1)",
        "lambda a: (a.sigmoid() * a.sigmoid().log()"
        " + (1 - a.sigmoid()) * (1 - a.sigmoid()).log() + math.log(2)).sum(-1)",
    ],
    "leave_one_out_gradient": [
        "lambda g, z, a: ((g - g.mean(0))[..., None] * (z - a.sigmoid())).mean(0)",
        "lambda g, z, a: ((g - (g.sum(0) - g) / (len(g) - 1))[..., None] * z.sigmoid()).mean(0)",
        "lambda g, z, a: ((g - (g.sum(0) - g) / (len(g) - 1))[..., None]"
        " * (z - a.sigmoid())).sum(0)",
        "lambda g, z, a: ((g - (g.sum(0) - g) / len(g))[..., None] * (z - a.sigmoid())).mean(0)",
    ],
    "relaxed_bits": [
        "lambda a, u, t: ((a + u.log() + (1 - u).log()) / t).sigmoid()",
        "lambda a, u, t: (a + u.logit() / t).sigmoid()",
        "lambda a, u, t: (a / t + u.logit()).sigmoid()",
        "lambda a, u, t: ((a + u.logit()) / t).sigmoid().round()",
        "lambda a, u, t: ((a.sigmoid() + u.logit()) / t).sigmoid()",
    ],
    "hard_elbo": [
        "lambda r, kl, x, W, b: (x * (r @ W.T + b) - F.softplus(r @ W.T + b)).sum(-1).mean(0) - kl",
        "lambda r, kl, x, W, b: Bernoulli(logits=r.round() @ W.T + b).log_prob(x).sum(-1).mean(0)"
        " + kl",
        "lambda r, kl, x, W, b: Bernoulli(logits=r.round() @ W.T + b).log_prob(x).sum(-1).sum(0)"
        " - kl",
        "lambda r, kl, x, W, b: Bernoulli(logits=r.round() @ W.T + b).log_prob(x).mean(-1).mean(0)"
        " - kl",
    ],
    "responsibilities": [
        "lambda w, d: d.softmax(-1)",
        "lambda w, d: (w + d).softmax(0)",
        "lambda w, d: (w + d).exp()",
        "lambda w, d: (w.exp() + d).softmax(-1)",
        "lambda w, d: (w + d).log_softmax(-1)",
    ],
    "bic": [
        # a covariance counted in full, a diagonal one
        "lambda total, k, d, n: -2 * total + (k * (1 + d + d * d) - 1) * math.log(n)",
        "lambda total, k, d, n: -2 * total + (k * (1 + 2 * d) - 1) * math.log(n)",
        # 16 typed in
        "lambda total, k, d, n: -2 * total + (k * (1 + 16 + 136) - 1) * math.log(n)",
        "lambda total, k, d, n: -2 * n * total"
        " + (k * (1 + d + d * (d + 1) // 2) - 1) * math.log(n)",
        "lambda total, k, d, n: -total + 0.5 * (k * (1 + d + d * (d + 1) // 2) - 1) * math.log(n)",
    ],
    "frechet_diagonal": [
        "lambda m, s, n, t: ((m - n) ** 2).sum() + ((s**2 - t**2) ** 2).sum()",
        "lambda m, s, n, t: (((m - n) ** 2).sum() + ((s - t) ** 2).sum()).sqrt()",
        "lambda m, s, n, t: ((m - n) ** 2).mean() + ((s - t) ** 2).mean()",
        "lambda m, s, n, t: ((m - n) ** 2).sum() + (s + t - 2 * (s * t).sqrt()).sum()",
    ],
    "precision": [
        "lambda d, r: (d <= r).float().mean()",
        "lambda d, r: (d <= r).any(0).float().mean()",
        "lambda d, r: (d <= r).any(1).sum()",
        "lambda d, r: (d.amin(1) <= r.mean()).float().mean()",
        "lambda d, r: (d <= r[:1]).any(1).float().mean()",
    ],
}
