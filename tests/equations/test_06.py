"""Notebook 06: the hidden layer of a belief network, files by arithmetic coding, another prior."""

import labutils as lab
from labutils.autoregressive import BeliefNetwork
from labutils.exercises import EXERCISES

import itertools
import math

import pytest
import torch
from torch.distributions import Bernoulli, Independent, kl_divergence

from .reading import from_notebook


def drawn_network(pixels=6, hidden_dim=4):
    network = BeliefNetwork(torch.full((pixels,), 0.5), hidden_dim).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    return network


@pytest.mark.equation("6.1")
def test_the_hidden_layer_is_the_sum_over_units_and_the_whole_sums_to_one():
    network = drawn_network()
    images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 6)
    places = [6 - int(seen) for seen in network.later.sum(0)]  # a unit is seen from its place on
    total = torch.ones(64).double()
    for d in range(6):
        logit = network.offset[d] + sum(network.weight[d, e] * images[:, e] for e in range(d))
        for k, place in enumerate(places):
            if place <= d:
                inside = sum(network.hidden.weight[k, e] * images[:, e] for e in range(place))
                logit = logit + network.output[d, k] * (network.hidden.bias[k] + inside).relu()
        total *= torch.where(images[:, d] == 1, logit.sigmoid(), (-logit).sigmoid())
    assert total.sum().item() == pytest.approx(1)
    assert torch.allclose(network.log_prob(images), total.log())


@pytest.mark.equation("6.2")
def test_the_intervals_of_all_images_tile_the_unit_interval_with_their_probabilities():
    (interval,) = from_notebook("06", "interval")
    chain = torch.rand(5, 2, dtype=torch.float64)
    end = 0.0
    for x in itertools.product((0, 1), repeat=5):
        low, width = interval(torch.tensor(x), chain)
        steps = zip((0, *x[:-1]), x, chain.tolist(), strict=True)
        p = math.prod(row[before] if bit else 1 - row[before] for before, bit, row in steps)
        assert (low, width) == (pytest.approx(end), pytest.approx(p))
        assert EXERCISES["arithmetic_decoder"].answer(low + width / 2, chain).tolist() == list(x)
        end = low + width
    assert end == pytest.approx(1)


@pytest.mark.equation("6.3")
def test_the_gain_of_a_prior_is_the_difference_of_the_bounds_by_enumeration():
    (prior_gain,) = from_notebook("06", "prior_gain")
    network, fair = drawn_network(), Independent(Bernoulli(torch.full((6,), 0.5).double()), 1)
    q = Independent(Bernoulli(torch.rand(6).double()), 1)
    codes = lab.objectives.all_codes(6).double()
    weight, log_r = q.log_prob(codes).exp(), network.log_prob(codes)
    kl_to_network = (weight * (q.log_prob(codes) - log_r)).sum()
    difference = kl_divergence(q, fair) - kl_to_network
    gain = (weight * prior_gain(fair, network, codes)).sum()
    assert torch.isclose(gain, difference)
