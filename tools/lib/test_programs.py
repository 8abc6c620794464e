"""Prints the ninja targets of the test programs of some suites: test_programs.py BUILD_FOLDER SUITE…"""
import json
import subprocess
import sys
from pathlib import Path


def main():
    build, suites = Path(sys.argv[1]).resolve(), set(sys.argv[2:])
    tests = json.loads(subprocess.run(["meson", "introspect", "--tests", build], capture_output=True, check=True).stdout)
    programs = set()
    for test in tests:
        # Suites stand as "culvert:unit".
        if suites & {suite.rsplit(":", 1)[-1] for suite in test["suite"]} and build in Path(test["cmd"][0]).parents:
            programs.add(str(Path(test["cmd"][0]).relative_to(build)))
    print("\n".join(sorted(programs)))


main()
