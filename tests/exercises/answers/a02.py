import math

import numpy as np
import torch
from scipy import stats
from torch import nn
from torch.distributions import Categorical
from torch.nn import functional as F

from . import right, wrong

# Exercise 2.1


@right("parameter_count")
def count_as_in_the_table(hidden_dim):
    return 784 * hidden_dim + hidden_dim + 10 * hidden_dim + 10


@right("parameter_count")
def count_simplified(h):
    return 795 * h + 10


@right("parameter_count")
def count_by_torch(hidden_dim):
    network = nn.Sequential(nn.Linear(784, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, 10))
    return sum(p.numel() for p in network.parameters())


@right("parameter_count")
def count_in_a_loop(hidden_dim):
    total, sizes = 0, [28 * 28, hidden_dim, 10]
    for i in range(2):
        total += (sizes[i] + 1) * sizes[i + 1]
    return total


@right("parameter_count")
def count_by_numpy(hidden_dim):
    shapes = [(hidden_dim, 784), (hidden_dim,), (10, hidden_dim), (10,)]
    return int(sum(np.prod(shape) for shape in shapes))


@wrong("parameter_count")
def count_no_biases(hidden_dim):
    # weights only
    return 784 * hidden_dim + hidden_dim * 10


@wrong("parameter_count")
def count_no_output_weights(hidden_dim):
    # the output layer only has its ten biases
    return 784 * hidden_dim + hidden_dim + 10


@wrong("parameter_count")
def count_no_output_bias(hidden_dim):
    # the biases of the output layer forgotten
    return 784 * hidden_dim + hidden_dim + 10 * hidden_dim


@wrong("parameter_count")
def count_no_hidden_bias(hidden_dim):
    # the biases of the hidden layer forgotten
    return 784 * hidden_dim + 10 * hidden_dim + 10


@wrong("parameter_count")
def count_one_bias_per_layer(hidden_dim):
    # one bias for each layer
    return 784 * hidden_dim + 1 + 10 * hidden_dim + 1


@wrong("parameter_count")
def count_for_512(hidden_dim):
    # the network of the notebook
    return 784 * 512 + 512 + 10 * 512 + 10


@wrong("parameter_count")
def count_brackets(hidden_dim):
    # (784 + 1 + 10 + 10) for each hidden unit
    return (784 + 1 + 10 + 10) * hidden_dim


@wrong("parameter_count")
def count_dropout_halves(hidden_dim):
    # with dropout, only half of the units are there
    return (795 * hidden_dim) // 2 + 10


@wrong("parameter_count")
def count_multiplied(hidden_dim):
    # layer sizes multiplied
    return 784 * hidden_dim * 10


@wrong("parameter_count")
def count_input_bias(hidden_dim):
    # the input layer has biases too
    return 784 * hidden_dim + 784 + hidden_dim + 10 * hidden_dim + 10


@wrong("parameter_count")
def count_units(hidden_dim):
    # counts neurons, not parameters
    return 784 + hidden_dim + 10


@wrong("parameter_count")
def count_with_768(hidden_dim):
    # a slip: 28 * 28 = 768
    return 768 * hidden_dim + hidden_dim + 10 * hidden_dim + 10


# Exercise 2.2


@right("classifier_logits")
def logits_as_hinted(x, W1, b1, W2, b2, mask, ratio):
    hidden = F.relu(x @ W1.T + b1) * mask / (1 - ratio)
    return hidden @ W2.T + b2


@right("classifier_logits")
def logits_by_linear(x, W1, b1, W2, b2, mask, ratio):
    h = F.linear(x, W1, b1).clamp(min=0)
    return F.linear(mask * h / (1.0 - ratio), W2, b2)


@right("classifier_logits")
def logits_by_einsum(x, A, a, B, b, m, r):
    hidden = torch.einsum("nd,hd->nh", x, A) + a
    hidden = torch.where(hidden > 0, hidden, torch.zeros_like(hidden))
    return torch.einsum("nh,nh,kh->nk", hidden, m.to(x.dtype), B) / (1 - r) + b


@right("classifier_logits")
def logits_row_by_row(x, W1, b1, W2, b2, mask, ratio):
    rows = []
    for image, m in zip(x, mask, strict=True):
        h = torch.maximum(W1 @ image + b1, torch.tensor(0.0))
        rows.append(W2 @ (m * h / (1 - ratio)) + b2)
    return torch.stack(rows)


@right("classifier_logits")
def logits_scaled_weights(x, W1, b1, W2, b2, mask, ratio):
    keep = 1 / (1 - ratio)
    return torch.addmm(b2, torch.relu(torch.addmm(b1, x, W1.t())) * mask, W2.t() * keep)


@right("classifier_logits")
def logits_in_place(x, W1, b1, W2, b2, mask, ratio):
    h = x.mm(W1.T)
    h += b1
    h.relu_()
    h *= mask
    h /= 1 - ratio
    return h @ W2.T + b2


@wrong("classifier_logits")
def logits_not_rescaled(x, W1, b1, W2, b2, mask, ratio):
    # the division forgotten
    return (F.relu(x @ W1.T + b1) * mask) @ W2.T + b2


@wrong("classifier_logits")
def logits_divided_by_ratio(x, W1, b1, W2, b2, mask, ratio):
    # divided by r: for r = 0.5 no difference shows
    return (F.relu(x @ W1.T + b1) * mask / ratio) @ W2.T + b2


@wrong("classifier_logits")
def logits_scaled_down(x, W1, b1, W2, b2, mask, ratio):
    # times (1 - r), as in the first dropout paper at test time
    return (F.relu(x @ W1.T + b1) * mask * (1 - ratio)) @ W2.T + b2


@wrong("classifier_logits")
def logits_no_relu(x, W1, b1, W2, b2, mask, ratio):
    # relu forgotten
    return ((x @ W1.T + b1) * mask / (1 - ratio)) @ W2.T + b2


@wrong("classifier_logits")
def logits_no_mask(x, W1, b1, W2, b2, mask, ratio):
    # scaled, but not masked
    return (F.relu(x @ W1.T + b1) / (1 - ratio)) @ W2.T + b2


@wrong("classifier_logits")
def logits_own_dropout(x, W1, b1, W2, b2, mask, ratio):
    # F.dropout does it all
    return F.dropout(F.relu(x @ W1.T + b1), ratio) @ W2.T + b2


@wrong("classifier_logits")
def logits_hard_coded_half(x, W1, b1, W2, b2, mask, ratio):
    # ratio is 0.5
    return (F.relu(x @ W1.T + b1) * mask / 0.5) @ W2.T + b2


@wrong("classifier_logits")
def logits_no_hidden_bias(x, W1, b1, W2, b2, mask, ratio):
    # b1 forgotten
    return (F.relu(x @ W1.T) * mask / (1 - ratio)) @ W2.T + b2


@wrong("classifier_logits")
def logits_no_output_bias(x, W1, b1, W2, b2, mask, ratio):
    # b2 forgotten
    return (F.relu(x @ W1.T + b1) * mask / (1 - ratio)) @ W2.T


@wrong("classifier_logits")
def logits_relu_at_the_end(x, W1, b1, W2, b2, mask, ratio):
    # a relu after every layer
    return F.relu((F.relu(x @ W1.T + b1) * mask / (1 - ratio)) @ W2.T + b2)


@wrong("classifier_logits")
def logits_softmaxed(x, W1, b1, W2, b2, mask, ratio):
    # the network gives probabilities
    return ((F.relu(x @ W1.T + b1) * mask / (1 - ratio)) @ W2.T + b2).softmax(-1)


@wrong("classifier_logits")
def logits_not_transposed(x, W1, b1, W2, b2, mask, ratio):
    # W1 x as printed
    return W2 @ (F.relu(W1 @ x + b1) * mask / (1 - ratio)) + b2


@wrong("classifier_logits")
def logits_all_divided(x, W1, b1, W2, b2, mask, ratio):
    # the fraction line reaches over the bias
    return ((F.relu(x @ W1.T + b1) * mask) @ W2.T + b2) / (1 - ratio)


@wrong("classifier_logits")
def logits_mask_dropped_units(x, W1, b1, W2, b2, mask, ratio):
    # mask = 1 means masked out
    return (F.relu(x @ W1.T + b1) * (1 - mask) / (1 - ratio)) @ W2.T + b2


@wrong("classifier_logits")
def logits_first_mask(x, W1, b1, W2, b2, mask, ratio):
    # one mask for the batch
    return (F.relu(x @ W1.T + b1) * mask[0] / (1 - ratio)) @ W2.T + b2


@wrong("classifier_logits")
def logits_sigmoid(x, W1, b1, W2, b2, mask, ratio):
    # another activation
    return (torch.sigmoid(x @ W1.T + b1) * mask / (1 - ratio)) @ W2.T + b2


# The class


@right("mlp_classifier")
class WithModule(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim, dropout_ratio=0.5):
        super().__init__()
        self.proj1 = nn.Linear(input_dim, hidden_dim)
        self.dropout = nn.Dropout(p=dropout_ratio)
        self.proj2 = nn.Linear(hidden_dim, output_dim)

    def forward(self, x):
        return self.proj2(self.dropout(torch.relu(self.proj1(x))))


class Layers(nn.Module):
    """What the other answers share, to keep them short."""

    def __init__(self, inputs, hidden, outputs, ratio=0.5):
        super().__init__()
        self.proj1, self.proj2 = nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)
        self.r = ratio


@right("mlp_classifier")
class WithFunction(Layers):
    def forward(self, x):
        return self.proj2(F.dropout(F.relu(self.proj1(x)), p=self.r, training=self.training))


@right("mlp_classifier")
class WithMask(Layers):
    def forward(self, batch):
        hidden = self.proj1(batch).clamp(min=0)
        if self.training:
            kept = torch.rand(hidden.shape) > self.r
            hidden = torch.where(kept, hidden / (1 - self.r), 0.0)
        return self.proj2(hidden)


@right("mlp_classifier")
class WithBernoulli(Layers):
    def forward(self, x):
        if not self.training:
            return self.proj2(F.relu(self.proj1(x)))
        h = F.relu(F.linear(x, self.proj1.weight, self.proj1.bias))
        mask = torch.bernoulli(torch.full_like(h, 1 - self.r))
        return F.linear(mask * h / (1 - self.r), self.proj2.weight, self.proj2.bias)


@right("mlp_classifier")
class WithNumpysMask(Layers):
    def forward(self, x):
        h = self.proj1(x).relu()
        if self.training:
            mask = np.random.binomial(1, 1 - self.r, size=tuple(h.shape))
            h = h * torch.as_tensor(mask).to(h) / (1 - self.r)
        return self.proj2(h)


@right("mlp_classifier")
class DroppedBeforeTheReLU(Layers):
    def forward(self, x):
        return self.proj2(F.relu(F.dropout(self.proj1(x), self.r, self.training)))


@wrong("mlp_classifier")
class AsInTheHandout(nn.Module):
    # the class as printed
    def __init__(self, input_dim, hidden_dim, output_dim, dropout_ratio=0.5):
        super().__init__()
        self.proj1 = nn.Linear(input_dim, hidden_dim)
        self.proj2 = nn.Linear(hidden_dim, output_dim)
        self.dropout = nn.Dropout(0.5)

    def forward(self, batch):
        return self.proj2(self.dropout(F.relu(self.proj1(batch))))


@wrong("mlp_classifier")
class NoReLU(Layers):
    # relu forgotten
    def forward(self, x):
        return self.proj2(F.dropout(self.proj1(x), self.r, self.training))


@wrong("mlp_classifier")
class AlwaysOn(Layers):
    # nn.Dropout made in forward: it is always in training mode
    def forward(self, x):
        return self.proj2(nn.Dropout(self.r)(F.relu(self.proj1(x))))


@wrong("mlp_classifier")
class AlwaysOnByHand(Layers):
    # an own mask, whatever the mode
    def forward(self, x):
        h = F.relu(self.proj1(x))
        return self.proj2(h * (torch.rand(h.shape) > self.r) / (1 - self.r))


@wrong("mlp_classifier")
class DropsLogits(Layers):
    # dropout comes last
    def forward(self, x):
        return nn.functional.dropout(self.proj2(F.relu(self.proj1(x))), self.r, self.training)


@wrong("mlp_classifier")
class DropsPixels(Layers):
    # dropout comes first
    def forward(self, x):
        if self.training:
            x = x * torch.bernoulli(torch.full_like(x, 1 - self.r)) / (1 - self.r)
        return self.proj2(F.relu(self.proj1(x)))


@wrong("mlp_classifier")
class GivesProbabilities(Layers):
    # a classifier gives probabilities
    def forward(self, x):
        h = F.relu(self.proj1(x))
        if self.training:
            h = h * (torch.rand(h.shape) > self.r) / (1 - self.r)
        return F.softmax(self.proj2(h), dim=1)


@wrong("mlp_classifier")
class NeverScaled(Layers):
    # the mask alone
    def forward(self, x):
        h = F.relu(self.proj1(x))
        if self.training:
            h = h * (torch.rand(h.shape) > self.r)
        return self.proj2(h)


@wrong("mlp_classifier")
class ScaledInBothModes(Layers):
    # the division outside of the if
    def forward(self, x):
        h = F.relu(self.proj1(x)) / (1 - self.r)
        if self.training:
            h = h * (torch.rand(h.shape) > self.r)
        return self.proj2(h)


@wrong("mlp_classifier")
class KeepsTheRatio(Layers):
    # mask is 1 where the random number is below the ratio
    def forward(self, x):
        h = F.relu(self.proj1(x))
        if self.training:
            h = h * (torch.rand(h.shape) < self.r) / self.r
        return self.proj2(h)


@wrong("mlp_classifier")
class KeepsTheRatioButScales(Layers):
    # the same with the right scale
    def forward(self, x):
        h = F.relu(self.proj1(x))
        if self.training:
            h = h * (torch.rand(h.shape) < self.r) / (1 - self.r)
        return self.proj2(h)


@wrong("mlp_classifier")
class OneMask(Layers):
    # one mask for the batch
    def forward(self, x):
        h = F.relu(self.proj1(x))
        if self.training:
            h = h * (torch.rand(h.shape[1]) >= self.r) / (1 - self.r)
        return self.proj2(h)


@wrong("mlp_classifier")
class OneMaskForAll(Layers):
    # one mask, drawn when the network is made
    def __init__(self, inputs, hidden, outputs, ratio=0.5):
        super().__init__(inputs, hidden, outputs, ratio)
        self.mask = (torch.arange(hidden) >= ratio * hidden).float() / (1 - ratio)

    def forward(self, x):
        h = F.relu(self.proj1(x))
        return self.proj2(h * self.mask if self.training else h)


@wrong("mlp_classifier")
class OneCoinAnImage(Layers):
    # a mask for each image
    def forward(self, x):
        h = F.relu(self.proj1(x))
        if self.training:
            h = h * torch.bernoulli(torch.full((len(x), 1), 1 - self.r)) / (1 - self.r)
        return self.proj2(h)


@wrong("mlp_classifier")
class HalfByHand(Layers):
    # half of the units, scaled by the ratio
    def forward(self, x):
        h = F.relu(self.proj1(x))
        if self.training:
            h = h * (torch.rand(h.shape) > 0.5) / (1 - self.r)
        return self.proj2(h)


@wrong("mlp_classifier")
class ReLUEverywhere(Layers):
    # a relu after every layer
    def forward(self, x):
        return F.relu(self.proj2(F.dropout(F.relu(self.proj1(x)), self.r, self.training)))


@wrong("mlp_classifier")
class Sigmoid(Layers):
    # another activation
    def forward(self, x):
        return self.proj2(F.dropout(torch.sigmoid(self.proj1(x)), self.r, self.training))


@wrong("mlp_classifier")
class NoDropout(Layers):
    # the ratio is kept, and never used
    def forward(self, x):
        return self.proj2(F.relu(self.proj1(x)))


# Exercise 2.3


@right("cross_entropy")
def entropy_as_hinted(logits, labels):
    chosen = logits[torch.arange(len(labels)), labels]
    return (logits.logsumexp(-1) - chosen).mean()


@right("cross_entropy")
def entropy_by_torch(logits, labels):
    return F.cross_entropy(logits, labels)


@right("cross_entropy")
def entropy_by_categorical(a, y):
    return -Categorical(logits=a).log_prob(y).mean()


@right("cross_entropy")
def entropy_nll(logits, labels):
    return F.nll_loss(F.log_softmax(logits, dim=1), labels)


@right("cross_entropy")
def entropy_one_hot(logits, labels):
    targets = F.one_hot(labels, logits.shape[1])
    return -(targets * torch.log_softmax(logits, 1)).sum() / logits.shape[0]


@right("cross_entropy")
def entropy_loop(logits, labels):
    total = 0.0
    for row, label in zip(logits, labels.tolist(), strict=True):
        shifted = row - row.max()
        total = total + shifted.exp().sum().log() - shifted[label]
    return total / len(labels)


@right("cross_entropy")
def entropy_gather(logits, labels):
    return torch.mean(torch.logsumexp(logits - logits.gather(1, labels[:, None]), dim=1))


@wrong("cross_entropy")
def entropy_overflows(logits, labels):
    # 2.3, then 2.4: exp of large logits
    p = logits.exp() / logits.exp().sum(-1, keepdim=True)
    return -p[torch.arange(len(labels)), labels].log().mean()


@wrong("cross_entropy")
def entropy_softmax_log(logits, labels):
    # a stable softmax, then log: probabilities that underflow
    return -logits.softmax(-1)[torch.arange(len(labels)), labels].log().mean()


@wrong("cross_entropy")
def entropy_epsilon(logits, labels):
    # a small number against log 0
    return -(logits.softmax(-1)[torch.arange(len(labels)), labels] + 1e-8).log().mean()


@wrong("cross_entropy")
def entropy_summed(logits, labels):
    # sum over the batch
    return F.cross_entropy(logits, labels, reduction="sum")


@wrong("cross_entropy")
def entropy_each(logits, labels):
    # one number for each image
    return logits.logsumexp(-1) - logits[torch.arange(len(labels)), labels]


@wrong("cross_entropy")
def entropy_positive(logits, labels):
    # the log-likelihood
    return (logits[torch.arange(len(labels)), labels] - logits.logsumexp(-1)).mean()


@wrong("cross_entropy")
def entropy_bits(logits, labels):
    # information is in bits
    return F.cross_entropy(logits, labels) / math.log(2)


@wrong("cross_entropy")
def entropy_wrong_axis(logits, labels):
    # logsumexp over the batch
    return (logits.logsumexp(0).mean() - logits[torch.arange(len(labels)), labels]).mean()


@wrong("cross_entropy")
def entropy_probability_in_cross_entropy(logits, labels):
    # softmax first, then torch's cross-entropy, which does another
    return F.cross_entropy(logits.softmax(-1), labels)


@wrong("cross_entropy")
def entropy_all_pairs(logits, labels):
    # logits[:, labels] picks the label of each
    return (logits.logsumexp(-1) - logits[:, labels]).mean()


@wrong("cross_entropy")
def entropy_mean_over_all(logits, labels):
    # mean of the one-hot product: divided by 10 as well
    return -(F.one_hot(labels, 10) * logits.log_softmax(-1)).mean()


@wrong("cross_entropy")
def entropy_of_prediction(logits, labels):
    # the entropy of what the network says, without labels
    return Categorical(logits=logits).entropy().mean()


@wrong("cross_entropy")
def entropy_largest_logit(logits, labels):
    # the logit of the predicted class
    return (logits.logsumexp(-1) - logits.max(-1).values).mean()


@wrong("cross_entropy")
def entropy_item(logits, labels):
    # one number: so .item(), and no gradient
    return F.cross_entropy(logits, labels).item()


@wrong("cross_entropy")
def entropy_no_normaliser(logits, labels):
    # the normaliser forgotten
    return -logits[torch.arange(len(labels)), labels].mean()


@wrong("cross_entropy")
def entropy_clamped(logits, labels):
    # clamps the logits so that exp does not overflow
    return F.cross_entropy(logits.clamp(max=80), labels)


# The loop


@right("train_steps")
def steps_as_in_the_text(model, batches, optimiser, loss):
    model.train()
    for images, labels in batches:
        value = loss(model(images), labels)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()


@right("train_steps")
def steps_with_a_history(model, batches, optimizer, criterion):
    losses = []
    for x, y in batches:
        model.train()
        logits = model(x)
        current = criterion(logits, y)
        current.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        losses.append(current.item())
    return sum(losses) / len(losses)


@right("train_steps")
def steps_that_zero_the_model(model, batches, optimiser, loss):
    model.train(True)
    for i in range(len(batches)):
        x, y = batches[i]
        model.zero_grad()
        loss(model(x), y).backward()
        optimiser.step()


@right("train_steps")
def steps_that_measure_on_the_way(model, batches, optimiser, loss):
    for x, y in batches:
        model.eval()
        with torch.no_grad():
            loss(model(x), y)
        model.train()
        for p in model.parameters():
            p.grad = None
        torch.autograd.backward(loss(model(x), y))
        optimiser.step()
    model.eval()


@wrong("train_steps")
def steps_no_zero_grad(model, batches, optimiser, loss):
    # zero_grad forgotten
    model.train()
    for x, y in batches:
        loss(model(x), y).backward()
        optimiser.step()


@wrong("train_steps")
def steps_zero_once(model, batches, optimiser, loss):
    # zero_grad before the loop
    optimiser.zero_grad()
    model.train()
    for x, y in batches:
        loss(model(x), y).backward()
        optimiser.step()


@wrong("train_steps")
def steps_too_early(model, batches, optimiser, loss):
    # step before backward
    model.train()
    for x, y in batches:
        value = loss(model(x), y)
        optimiser.step()
        optimiser.zero_grad()
        value.backward()


@wrong("train_steps")
def steps_mode_forgotten(model, batches, optimiser, loss):
    # the mode is left as it comes
    for x, y in batches:
        optimiser.zero_grad()
        loss(model(x), y).backward()
        optimiser.step()


@wrong("train_steps")
def steps_evaluation(model, batches, optimiser, loss):
    # evaluation mode after each batch, and never back
    model.train()
    for x, y in batches:
        optimiser.zero_grad()
        loss(model(x), y).backward()
        optimiser.step()
        model.eval()


@wrong("train_steps")
def steps_item(model, batches, optimiser, loss):
    # the loss as a number
    model.train()
    for x, y in batches:
        optimiser.zero_grad()
        loss(model(x), y).item().backward()
        optimiser.step()


@wrong("train_steps")
def steps_zero_after_backward(model, batches, optimiser, loss):
    # zero_grad clears what backward has just computed
    model.train()
    for x, y in batches:
        loss(model(x), y).backward()
        optimiser.zero_grad()
        optimiser.step()


@wrong("train_steps")
def steps_without_step(model, batches, optimiser, loss):
    # step forgotten
    model.train()
    for x, y in batches:
        optimiser.zero_grad()
        loss(model(x), y).backward()


@wrong("train_steps")
def steps_after_the_loop(model, batches, optimiser, loss):
    # step outside of the loop
    model.train()
    for x, y in batches:
        optimiser.zero_grad()
        loss(model(x), y).backward()
    optimiser.step()


@wrong("train_steps")
def steps_sum_of_losses(model, batches, optimiser, loss):
    # the total loss, one step
    model.train()
    total = sum(loss(model(x), y) for x, y in batches)
    optimiser.zero_grad()
    total.backward()
    optimiser.step()


@wrong("train_steps")
def steps_return_in_the_loop(model, batches, optimiser, loss):
    # return one column too far to the right
    model.train()
    for x, y in batches:
        optimiser.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimiser.step()
        return value.item()


@wrong("train_steps")
def steps_uphill(model, batches, optimiser, loss):
    # maximises
    model.train()
    for x, y in batches:
        optimiser.zero_grad()
        (-loss(model(x), y)).backward()
        optimiser.step()


@wrong("train_steps")
def steps_softmax(model, batches, optimiser, loss):
    # the loss of probabilities
    model.train()
    for x, y in batches:
        optimiser.zero_grad()
        loss(F.softmax(model(x), -1), y).backward()
        optimiser.step()


@wrong("train_steps")
def steps_two_epochs(model, batches, optimiser, loss):
    # each batch twice
    model.train()
    for _ in range(2):
        for x, y in batches:
            optimiser.zero_grad()
            loss(model(x), y).backward()
            optimiser.step()


# Exercise 2.4


@right("half_width")
def half_as_printed(error, n):
    return 1.96 * math.sqrt(error * (1 - error) / n)


@right("half_width")
def half_by_power(p, count):
    return 1.96 * (p * (1 - p)) ** 0.5 * count**-0.5


@right("half_width")
def half_by_numpy(error, n):
    return 1.96 * np.sqrt(error - error**2) / np.sqrt(n)


@right("half_width")
def half_by_torch(error, n):
    return float(1.96 * torch.sqrt(torch.tensor(error * (1 - error) / n)))


@right("half_width")
def half_by_scipy(error, n):
    return 1.96 * stats.bernoulli(error).std() / math.sqrt(n)


@wrong("half_width")
def half_in_percent(error, n):
    # in percent
    return 196 * math.sqrt(error * (1 - error) / n)


@wrong("half_width")
def half_full_width(error, n):
    # the width of the whole interval
    return 2 * 1.96 * math.sqrt(error * (1 - error) / n)


@wrong("half_width")
def half_standard_error(error, n):
    # 1.96 forgotten
    return math.sqrt(error * (1 - error) / n)


@wrong("half_width")
def half_n_outside(error, n):
    # n outside of the root
    return 1.96 * math.sqrt(error * (1 - error)) / n


@wrong("half_width")
def half_no_n(error, n):
    # the spread of one digit
    return 1.96 * math.sqrt(error * (1 - error))


@wrong("half_width")
def half_no_root(error, n):
    # the root forgotten
    return 1.96 * error * (1 - error) / n


@wrong("half_width")
def half_interval(error, n):
    # both ends of the interval
    h = 1.96 * math.sqrt(error * (1 - error) / n)
    return error - h, error + h


@wrong("half_width")
def half_upper_end(error, n):
    # the upper end
    return error + 1.96 * math.sqrt(error * (1 - error) / n)


@wrong("half_width")
def half_brackets(error, n):
    # p (1 - p) without brackets: p * 1 - p
    return 1.96 * math.sqrt(error * 1 - error / n)


@wrong("half_width")
def half_poisson(error, n):
    # the error is small: sqrt(p / n)
    return 1.96 * math.sqrt(error / n)


@wrong("half_width")
def half_unbiased(error, n):
    # n - 1, as for a sample variance
    return 1.96 * math.sqrt(error * (1 - error) / (n - 1))


@wrong("half_width")
def half_two(error, n):
    # about two standard errors
    return 2 * math.sqrt(error * (1 - error) / n)


@wrong("half_width")
def half_ninety(error, n):
    # 1.645: one-sided
    return 1.645 * math.sqrt(error * (1 - error) / n)


@wrong("half_width")
def half_all_in_root(error, n):
    # 1.96 within the root
    return math.sqrt(1.96 * error * (1 - error) / n)


@wrong("half_width")
def half_ten_thousand(error, n):
    # the test set has 10,000 digits
    return 1.96 * math.sqrt(error * (1 - error) / 10_000)
