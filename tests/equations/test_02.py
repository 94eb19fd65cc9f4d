"""Notebook 02: the network, dropout, cross-entropy, error bars, calibration."""

import labutils as lab
from labutils.exercises import EXERCISES

import pytest
import torch
from torch.distributions import Bernoulli, Binomial, Categorical

from .reading import from_notebook


@pytest.mark.equation("2.1")
def test_the_network_is_two_maps_and_a_relu_with_a_mask():
    torch.manual_seed(0)
    model = lab.Classifier(12, 7, 4, dropout_ratio=0.25).train()
    x = torch.rand(5, 12)
    with lab.seeded(0):
        mask = (torch.rand(5, 7) >= 0.25).float()
    with lab.seeded(0):
        logits = model(x)
    by_hand = torch.zeros(5, 4)
    W1, b1, W2, b2 = (parameter.detach() for parameter in model.parameters())
    for n in range(5):
        for k in range(4):
            hidden = [max(0.0, float(W1[j] @ x[n] + b1[j])) for j in range(7)]
            kept = [float(mask[n, j]) * h / (1 - 0.25) for j, h in enumerate(hidden)]
            by_hand[n, k] = sum(float(W2[k, j]) * h for j, h in enumerate(kept)) + float(b2[k])
    assert torch.allclose(logits.detach(), by_hand, atol=1e-5)


@pytest.mark.equation("2.2")
def test_the_mean_over_all_masks_is_the_network_without_one():
    torch.manual_seed(0)
    x, hidden = torch.rand(1, 6), 4
    layers = (torch.randn(hidden, 6), torch.randn(hidden), torch.randn(3, hidden), torch.randn(3))
    logits = EXERCISES["classifier_logits"].answer
    masks = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * hidden)
    keep = Bernoulli(torch.tensor(0.7)).log_prob(masks).sum(-1).exp()  # enumeration: 16 masks
    mean = (keep[:, None] * logits(x, *layers, masks, 0.3)).sum(0)
    whole = logits(x, *layers, torch.ones(hidden), 0.0)[0]
    assert torch.allclose(mean, whole, atol=1e-5)


@pytest.mark.equation("2.3", "2.4")
def test_cross_entropy_is_the_negative_log_likelihood_of_a_softmax():
    logits, labels = torch.randn(6, 10), torch.arange(6)
    probabilities = logits.exp() / logits.exp().sum(-1, keepdim=True)
    assert torch.allclose(probabilities, Categorical(logits=logits).probs, atol=1e-6)
    ours = EXERCISES["cross_entropy"].answer(logits, labels)
    assert torch.isclose(ours, -probabilities[range(6), labels].log().mean())


@pytest.mark.equation("2.5")
def test_the_interval_covers_the_true_error_as_often_as_it_says():
    n, p = 10_000, 0.02
    with lab.seeded(0):
        errors = Binomial(n, torch.tensor(p)).sample((4_000,)) / n
    half = torch.tensor([EXERCISES["half_width"].answer(e, n) for e in errors.tolist()])
    covered = ((errors - p).abs() <= half).float().mean()
    assert abs(covered - 0.95) < 0.015


@pytest.mark.equation("2.6")
def test_the_calibration_error_of_a_model_that_says_too_much():
    """By its definition, digit by digit; and a model, 0.95 sure, that is right half the time."""
    (calibration_error,) = from_notebook("02", "calibration_error")
    assert calibration_error(torch.full((100,), 0.95), torch.arange(100) % 2 == 0) == (
        pytest.approx(0.45)
    )
    with lab.seeded(0):
        confidence, right = torch.rand(500), torch.rand(500) < 0.6
    by_hand = 0.0
    for low in range(10):
        mine = [i for i in range(500) if low <= 10 * confidence[i].item() < low + 1]
        if mine:
            hits = sum(bool(right[i]) for i in mine) / len(mine)
            said = sum(confidence[i].item() for i in mine) / len(mine)
            by_hand += len(mine) / 500 * abs(hits - said)
    assert calibration_error(confidence, right) == pytest.approx(by_hand, abs=1e-6)
