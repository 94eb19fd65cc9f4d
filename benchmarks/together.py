"""How much slower a training is when others run beside it, and what the cure costs alone.

Each training is an epoch of the 784-400-20 VAE on MNIST in a Jupyter kernel of its own, started
without any setting, as a student's are. labutils tells torch's threads to wait briefly and then
sleep; the last row compares a kernel where it does with one whose user had them spin for long
(on Linux: elsewhere that setting is another, and the two kernels do not differ).
"""

import os
import statistics
import time
from contextlib import ExitStack, contextmanager

from jupyter_client import KernelManager

ROUNDS, PAIRS = 3, 5
POLICIES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
SPIN = {"GOMP_SPINCOUNT": "300000"}  # what OpenMP does by itself
SET_UP = """
import labutils as lab

digits = lab.load(source="mnist")
settings = {"epochs": 1, "batch_size": 128, "learning_rate": 1e-3, "seed": 0}


def epoch():
    loss = lambda model, images, labels: -lab.elbo(model, images).mean()
    lab.fit(lab.GaussianVAE(20, 400), loss, digits, **settings)
"""


def main():
    with ExitStack() as stack:
        kernels = [stack.enter_context(kernel()) for _ in range(4)]
        rounds = [[seconds(kernels[:count]) for count in (1, 2, 4)] for _ in range(ROUNDS)]
        alone, two, four = map(statistics.median, zip(*rounds, strict=True))
        print(f"an epoch alone {alone:.1f} s, two at once {two:.1f} s, four {four:.1f} s")
        print(f"two at once / alone               {two / alone:.2f}  (aim: at most 2.5)")
        print(f"four at once / alone              {four / alone:.2f}  (aim: at most 5)", flush=True)
        spinning = stack.enter_context(kernel(**SPIN))
        cost = statistics.median(seconds(kernels[:1]) / seconds([spinning]) for _ in range(PAIRS))
    print(f"alone, with / without the setting {cost:.2f}  (aim: at most 1.10)")


@contextmanager
def kernel(**settings):
    """The client of a kernel that has loaded the digits and trained once."""
    bare = {name: value for name, value in os.environ.items() if name not in POLICIES}
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=bare | settings, extra_arguments=["--log-level=CRITICAL"])
    client = manager.blocking_client()
    try:
        client.wait_for_ready(timeout=120)
        client.execute(SET_UP)
        wait(client)
        seconds([client])
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def seconds(clients):
    """How long an epoch takes that all of them start at once, until the last has done."""
    started = time.perf_counter()
    for client in clients:
        client.execute("epoch()")
    for client in clients:
        wait(client)
    return time.perf_counter() - started


def wait(client):
    reply = client.get_shell_msg(timeout=600)["content"]
    if reply["status"] != "ok":
        raise RuntimeError(f"{reply['ename']}: {reply['evalue']}")


if __name__ == "__main__":
    main()
