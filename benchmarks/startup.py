"""Times the verbs that must be quick: `--help`, and `report` against importing MLflow alone.

python benchmarks/startup.py FOLDER        a folder in which experiment=quickstart was run
"""

import argparse
import statistics
import subprocess
import sys
import time

_REPEATS = 5


def main() -> None:
    """Print a Markdown table of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    folder = parser.parse_args().folder
    program = [sys.executable, "-m", "segsweep.cli"]
    commands = {
        "segsweep --help": [*program, "--help"],
        "segsweep run --help": [*program, "run", "--help"],
        "import mlflow": [sys.executable, "-c", "import mlflow"],
        "segsweep report": [*program, "report"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(_REPEATS + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            if number:  # the first fills the file cache
                times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print("| command | seconds, median of 5 |\n| --- | ---: |")
    for name, seconds in medians.items():
        print(f"| {name} | {seconds:.2f} |")
    print(f"\nreport / import mlflow: {medians['segsweep report'] / medians['import mlflow']:.2f}")


if __name__ == "__main__":
    main()
