"""What the check makes of slips of the pen, by the rates that CONTRIBUTING promises."""

from labutils.exercises import n02, n03

from collections import Counter

import pytest

from .mutants import COMPARED, in_parallel, mutants, of_mutants, outcomes, rates

# one fixture tries the answers of all exercises: minutes on an idle machine, more on a busy one
pytestmark = pytest.mark.timeout(2_400)


@pytest.fixture(scope="module")
def found(processes):
    return in_parallel(of_mutants, COMPARED, processes)


def test_mutants_are_named_or_remarked_upon_and_none_is_accepted(found, capsys):
    total = Counter(each.kind for several in found.values() for each in several)
    with capsys.disabled():
        print(f"\nmutants: {rates(total)}")
    assert not [each for several in found.values() for each in several if each.kind == "accepted"]
    assert not [each for several in found.values() for each in several if each.kind == "misnamed"]
    told = total["named"] + total["remarked"]
    assert told >= 400
    assert told >= 0.8 * (told + total["unsaid"])


def test_every_part_of_an_answer_is_mutated():
    sources = {source.splitlines()[-1].strip() for source, _ in mutants(n03.kl_gaussian)}
    for mutant in (
        "return 0.5 * (log_var.exp() + mean ** 2 + 1 - log_var).sum(-1)",
        "return 0.5 * (log_var.exp() + mean ** 2 - 1 - log_var).mean(-1)",
        "return 0.5 * (log_var + mean ** 2 - 1 - log_var).sum(-1)",
        "return 0.5 * (log_var.exp() + mean ** 2 - 1 - log_var).sum()",
        "return 0.5 * (log_var.exp() + mean ** 2 - 1 - mean).sum(-1)",
        "return 1.5 * (log_var.exp() + mean ** 2 - 1 - log_var).sum(-1)",
    ):
        assert mutant in sources


def test_a_mistake_and_a_slip_that_nobody_foresaw_are_told_apart():
    double = "lambda mean, log_var: 2 * kl(mean, log_var)"
    triple = "lambda mean, log_var: 3.3 * kl(mean, log_var)"
    pair = [(source, eval(source, {"kl": n03.kl_gaussian})) for source in (double, triple)]
    assert [each.kind for each in outcomes("kl_gaussian", pair)] == ["named", "remarked"]


def test_a_class_is_mutated_in_each_of_its_methods():
    found = [source for source, _ in mutants(n02.Classifier)]
    assert any("nn.Linear(hidden_dim, hidden_dim)" in source for source in found)
    assert any("hidden = self.proj1(x)" in source for source in found)
    assert any("F.relu(x.proj1(x))" in source for source in found)
