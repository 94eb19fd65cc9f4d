"""How much longer `import labutils` takes than `import torch`, which every notebook needs."""

import subprocess
import sys
from pathlib import Path

ROUNDS = 5
ALLOWANCE = 300  # milliseconds
CODE = """
import time, torch
started = time.perf_counter()
import labutils
print(1000 * (time.perf_counter() - started))
"""


def main():
    fastest = min(milliseconds() for _ in range(ROUNDS))
    print(f"import labutils, after import torch {fastest:.0f} ms  (aim: at most {ALLOWANCE} ms)")


def milliseconds():
    command = [sys.executable, "-c", CODE]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
