"""Slips of the pen: every answer of an exercise with one thing in its code changed.

An answer is a function or a class; the letter of a choice has no slips.

    python -m tests.exercises.mutants [name ...]

prints, by exercise, how many mutants the check accepts, names or remarks upon, and what it says of
the others. `rates` is what the tests hold.
"""

from labutils.exercises import CONFIRMED_ON, EXERCISES, SAID, SETS, digest, named, verdict
from labutils.exercises.kinds import Choice
from labutils.exercises.limits import Caller, Trouble, undisturbed
from labutils.exercises.remarks import Trial, remarks

import ast
import copy
import inspect
import os
import sys
import textwrap
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import torch

DRAWS = 200  # on which what is accepted must equal the answer, and what is named its mistake
COMPARED = {name: e for name, e in EXERCISES.items() if not isinstance(e, Choice)}
SHARE = 1 / 3  # of the other mutants, of which a remark that counts may be true at most

KEPT = (ast.ClassDef, ast.FunctionDef, ast.arguments, ast.arg)
OPERATORS = {
    ast.Add: [ast.Sub, ast.Mult], ast.Sub: [ast.Add], ast.Mult: [ast.Div, ast.Add],
    ast.Div: [ast.Mult], ast.Pow: [ast.Mult], ast.FloorDiv: [ast.Mult],
    ast.LtE: [ast.Lt, ast.Gt], ast.GtE: [ast.Gt, ast.Lt], ast.Gt: [ast.Lt], ast.Lt: [ast.Gt],
}  # fmt: skip
SWAPS = {
    "sum": ["mean"], "mean": ["sum"], "any": ["all"], "all": ["any"], "exp": ["log"],
    "log": ["exp", "log10"], "sqrt": ["exp"], "softmax": ["log_softmax", "sigmoid"],
    "log_softmax": ["softmax"], "logsumexp": ["sum", "mean"], "sigmoid": ["exp", "tanh"],
    "logit": ["log"], "square": ["abs"], "abs": ["exp"], "relu": ["softplus"],
    "softplus": ["relu"], "logsigmoid": ["sigmoid"],
}  # fmt: skip


def mutants(function):
    """Pairs of a source and a function: the given one with one thing changed, each once."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    written = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    arguments = list(dict.fromkeys(a.arg for node in written for a in node.args.args))
    seen = {ast.unparse(tree)}
    for index, node in enumerate(ast.walk(tree)):
        if node is tree or isinstance(node, KEPT):
            continue
        for change in changes(node, arguments):
            mutant = copy.deepcopy(tree)
            place(mutant, index, change)
            source = ast.unparse(ast.fix_missing_locations(mutant))
            if source not in seen:
                seen.add(source)
                namespace = dict(vars(inspect.getmodule(function)))
                exec(compile(source, "mutant", "exec"), namespace)
                yield source, namespace[function.__name__]


def changes(node, arguments):
    """What a node may be replaced by."""
    if isinstance(node, ast.BinOp):
        yield from (
            ast.BinOp(node.left, op(), node.right) for op in OPERATORS.get(type(node.op), [])
        )
        yield from (node.left, node.right)
    elif isinstance(node, ast.Compare):
        for op in OPERATORS.get(type(node.ops[0]), []):
            yield ast.Compare(node.left, [op()], node.comparators)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        for value in (node.value + 1, node.value - 1, 2 * node.value, node.value / 2, 0):
            if value == node.value or (isinstance(node.value, int) and value % 1):
                continue
            yield ast.Constant(type(node.value)(value))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        module = isinstance(node.func.value, ast.Name) and node.func.value.id in (
            "math",
            "torch",
            "F",
        )
        if not module:
            yield node.func.value
            if node.args:
                yield ast.Call(node.func, node.args[1:], node.keywords)
        elif len(node.args) == 1:
            yield node.args[0]
        for name in SWAPS.get(node.func.attr, []):
            yield ast.Call(
                ast.Attribute(node.func.value, name, ast.Load()), node.args, node.keywords
            )
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in arguments:
        yield from (ast.Name(name, ast.Load()) for name in arguments if name != node.id)


def place(tree, index, replacement):
    """Put a copy of `replacement` where the index-th node of the tree stands."""
    target = list(ast.walk(tree))[index]
    for parent in ast.walk(tree):
        for key, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, key, copy.deepcopy(replacement))
                return
            if isinstance(value, list) and any(each is target for each in value):
                value[[each is target for each in value].index(True)] = copy.deepcopy(replacement)
                return


@dataclass
class Outcome:
    source: str
    kind: str  # raises, accepted, equal, named, misnamed, remarked or unsaid
    says: list[str] = field(default_factory=list)


def outcomes(name, answers):
    """What the check makes of each of (source, function), wrong answers to the exercise `name`."""
    fresh = Trial(EXERCISES[name], EXERCISES[name].answer, "fresh", Caller(600), DRAWS)
    found = [outcome(name, source, function, fresh) for source, function in answers]
    wrong = [each for each in found if each.kind in ("named", "remarked")]
    true_of = Counter(text for each in wrong for text in set(each.says))
    for each in wrong:
        if each.kind == "remarked":
            most = 1 + SHARE * (len(wrong) - 1)  # itself, and a share of the others
            each.says = [text for text in each.says[:SAID] if true_of[text] <= most]
            each.kind = "remarked" if each.says else "unsaid"
    return found


def in_parallel(function, names, processes):
    """function(name) by name, in a process for each core: each thinks on one thread for long."""
    with ProcessPoolExecutor(os.cpu_count(), processes, torch.set_num_threads, (1,)) as pool:
        return dict(zip(names, pool.map(function, names), strict=True))


def of_mutants(name):
    """The outcomes of all mutants of the answer to the exercise `name`."""
    return outcomes(name, mutants(EXERCISES[name].answer))


def outcome(name, source, function, fresh):
    """fresh: a Trial of the right answer on DRAWS sets."""
    exercise, seed = EXERCISES[name], f"{name} {digest(function)}"
    with undisturbed():
        try:
            trial = Trial(exercise, function, seed, Caller(), CONFIRMED_ON)
            assert trial.got
            equal = fresh.call(
                lambda: fresh.same((fresh.exact(x, function) for x in fresh.sets), fresh.right)
            )
        except (Trouble, NotImplementedError):
            return Outcome(source, "raises")
        passes = trial.same(
            trial.got[:SETS], trial.right
        )  # else `verdict` explains, which takes long
        if passes and verdict(exercise, function, seed)[0] and not equal:
            return Outcome(source, "accepted")
        if equal:  # perhaps but for its gradient
            return Outcome(source, "equal")
        words, says = named(trial), list(remarks(trial))
        if words is None:
            return Outcome(source, "remarked", says)
        named_as = [f for f, w in exercise.wrong_answers() if w == words]
        got = fresh.call(lambda: list(fresh.results(function)))
        same = any(fresh.same(got, fresh.results(f)) for f in named_as)
        return Outcome(source, "named" if same else "misnamed", [words[0], *says])


def main(names):
    total = Counter()
    for name in names or COMPARED:
        found = of_mutants(name)
        total += Counter(each.kind for each in found)
        print(f"{name:24}", dict(Counter(each.kind for each in found)), flush=True)
        for each in found:
            if each.kind in ("accepted", "misnamed", "unsaid"):
                print("    ", each.kind, *each.source.splitlines()[1:])
    print(rates(total))


def rates(total):
    """The rates in words, of a Counter of kinds."""
    told, unsaid = total["named"] + total["remarked"], total["unsaid"] + total["misnamed"]
    return (
        f"{total.total()}: {total['raises']} raise, {total['equal']} are equal, "
        f"{total['accepted']} accepted, {total['misnamed']} misnamed; of the others "
        f"{told / max(told + unsaid, 1):.0%} named ({total['named']}) or remarked upon."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
