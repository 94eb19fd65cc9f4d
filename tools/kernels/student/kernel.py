"""A student's kernel, for the grader: keeps the answers and calls them. It judges nothing.

Whatever the student's code overwrites here, the grader gets numbers of it, to be compared in a
process of its own.
"""

import json
import os
import pickle
import sys
from base64 import b64decode, b64encode
from contextlib import suppress
from functools import cache, partial

import psutil

GIB = 1 << 30
MEMORY, CPU_SECONDS, FILE, PROCESSES = 4 * GIB, 120, GIB // 10, 100
answers = {}


def bind():
    """Have the system hold the limits, and give up root's rights, since they don't bind root."""
    try:
        import resource
    except ImportError:  # on Windows
        return
    if uid := int(os.environ["STUDENT_UID"]):
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    user = os.getuid()  # whose threads the limit counts, those of other programs too
    seen = [p.info for p in psutil.process_iter(["uids", "num_threads"])]
    own = [info["num_threads"] or 0 for info in seen if info["uids"] and info["uids"].real == user]
    taken = psutil.Process().memory_info().vms  # by torch: up to several GiB, in a build with CUDA
    for what, limit in (
        ("RLIMIT_AS", taken + MEMORY),
        ("RLIMIT_CPU", CPU_SECONDS),
        ("RLIMIT_FSIZE", FILE),
        ("RLIMIT_NPROC", sum(own) + (PROCESSES if uid else 20 * PROCESSES)),
        ("RLIMIT_CORE", 0),
    ):
        with suppress(ValueError, OSError):  # macOS has no limit of memory
            resource.setrlimit(getattr(resource, what), (limit, limit))


def check(name, answer, *, fix=False):
    """In the place of lab.check: keep the answer, and hand the reference on."""
    reference = exercises.EXERCISES[name].answer
    if not callable(reference):
        answers[name] = answer
        return answer
    if answer is not reference:  # of a check that is made twice
        answers[name] = answer
    return reference


def ask(request):
    """What the grader calls: its question and the reply as text."""
    try:
        verb, name, *arguments = pickle.loads(b64decode(request))
        return json.dumps(globals()[verb](name, *arguments))
    except NotImplementedError:
        return json.dumps({"open": True})
    except exercises.Trouble as trouble:
        return json.dumps({"trouble": str(trouble)})


@cache
def caller(name):
    """Calls within limits, which hold for all calls of this answer; twice those of `lab.check`."""
    return exercises.Caller(2 * SECONDS)


def kind(name):
    """The answer itself where it is a letter or a number."""
    if name not in answers:
        return {"missing": True}
    answer, exercise = answers[name], exercises.EXERCISES[name]
    if answer is None or answer is ... or exercises._is_stub(getattr(answer, "forward", answer)):
        raise NotImplementedError
    if isinstance(exercise, Loop):
        torch.optim.SGD([torch.zeros(1)])  # the first one imports 800 modules: no answer's time
    if isinstance(answer, str) or not exercise.accepts(answer):
        return {"value": answer if isinstance(answer, (str, int, float)) else repr(answer)}
    return {"callable": True}


def value(name, inputs):
    """The answer's result, and which of its arguments it has changed."""
    exercise, before = exercises.EXERCISES[name], copies(inputs)
    with exercises.undisturbed():
        run = partial(exercise.run, answers[name], inputs)
        result = caller(name)(lambda: numbers(run()))
    pairs = zip(before, inputs, strict=True)
    changed = [k for k, (a, b) in enumerate(pairs) if hasattr(a, "equal") and not a.equal(b)]
    return {"result": plain(result), "changed": changed}


def gradients(name, inputs, weights):
    exercise = exercises.EXERCISES[name]
    with exercises.undisturbed():
        found = caller(name)(exercise.gradients, answers[name], inputs, weights)
    return {"result": [None if each is None else plain(each) for each in found]}


def plain(tensor):
    data = tensor.detach().double().contiguous().numpy().tobytes()
    return [list(tensor.shape), b64encode(data).decode()]


if __name__ == "__main__":
    from ipykernel.kernelapp import IPKernelApp

    sys.modules["student_kernel"] = sys.modules[__name__]  # which IPython takes for the notebook
    app = IPKernelApp.instance()
    app.initialize()  # reads the file with the connection's key, which is the grader's

    import labutils
    from labutils import exercises
    from labutils.exercises.kinds import Loop, copies
    from labutils.exercises.limits import SECONDS
    from labutils.exercises.remarks import numbers

    import torch

    labutils.check = exercises.check = check
    labutils.load = partial(labutils.load, source="bundled")  # no answer needs MNIST
    bind()
    app.start()  # from here on the student's code runs
