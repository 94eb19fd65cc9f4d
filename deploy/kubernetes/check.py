"""Check the values beside this script against the chart's own schema.

    helm pull jupyterhub --repo https://hub.jupyter.org/helm-chart/ --untar
    python deploy/kubernetes/check.py jupyterhub

The folder is that of a chart, packed or not yet: values.yaml and values.schema.json or .yaml.
Each file is merged with the chart's defaults as helm would, the second on top of the first.
"""

import sys
from pathlib import Path

import yaml
from jsonschema import Draft7Validator

VALUES = [Path(__file__).with_name(name) for name in ("values.yaml", "values-3000.yaml")]


def main(words):
    if len(words) != 1:
        sys.exit("Which folder holds the chart? python deploy/kubernetes/check.py FOLDER")
    chart = Path(words[0])
    schemas = [file for file in sorted(chart.glob("values.schema.*")) if file.is_file()]
    if not schemas or not (chart / "values.yaml").is_file():
        sys.exit(f"{chart} holds no chart: values.yaml or values.schema.json is missing.")
    validator = Draft7Validator(load(schemas[0]))
    merged, problems = load(chart / "values.yaml"), 0
    for file in VALUES:
        merged = on_top(merged, load(file))
        for error in validator.iter_errors(merged):
            problems += 1
            print(f"{file.name}: {'.'.join(map(str, error.absolute_path))}: {error.message:.200}")
    print(f"{len(VALUES)} files, {problems} problems, by {schemas[0]}")
    sys.exit(problems > 0)


def load(file):
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def on_top(below, above):
    """Mappings are merged; anything else replaces what was there."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: on_top(below.get(key), value) for key, value in above.items()}


if __name__ == "__main__":
    main(sys.argv[1:])
