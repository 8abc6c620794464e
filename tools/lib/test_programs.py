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
        if not suites & {suite.rsplit(":", 1)[-1] for suite in test["suite"]}:
            continue
        # Arguments may be programs of the build, too.
        for word in test["cmd"]:
            if build in Path(word).parents and not Path(word).is_dir():
                programs.add(str(Path(word).relative_to(build)))
    print("\n".join(sorted(programs)))


main()
