"""Train all that the notebooks take up, into one folder that serves a class.

    python tools/runs.py [FOLDER]

A run that is there already is used, and one that was interrupted goes on. Without FOLDER, they go
where LABUTILS_RUNS says, or into the cache. Put the folder where students may read it, behind their
own in LABUTILS_RUNS: docs/hub.md.
"""

import labutils as lab

import argparse
import os
import sys
import warnings
from pathlib import Path

ESTIMATORS = ("score_function", "leave_one_out", "straight_through", "gumbel_softmax", "disarm")
RUNS = [  # the recipe's name and choices; a test holds them beside the notebooks
    ("belief_network", {}),
    ("classifier", {}),
    ("classifier", {"dropout_ratio": 0.0}),
    ("gaussian_vae_2d", {}),
    ("gaussian_vae", {}),
    *[("bernoulli_vae_8", choice) for choice in ({}, *({"estimator": e} for e in ESTIMATORS))],
    ("bernoulli_vae_200", {}),
    ("autoencoder_2d", {}),
    ("autoencoder", {}),
    ("autoregressive", {}),
]


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    folder = parser.parse_args(words).folder
    if folder:
        os.environ["LABUTILS_RUNS"] = str(folder.absolute())
    digits = lab.load(source="mnist")
    warnings.filterwarnings("error", message="This run is not kept")
    warnings.filterwarnings("ignore", message="Training was interrupted")  # it speaks of a cell
    for name, choices in RUNS:
        try:
            _, history = lab.trained(name, digits, **choices)
        except UserWarning as warning:
            sys.exit(str(warning))
        print(f"{', '.join([name, *map(str, choices.values())])}: {history}", flush=True)
        if len(history) < history.epochs:
            sys.exit("Interrupted: the same command goes on from there.")


if __name__ == "__main__":
    main()
