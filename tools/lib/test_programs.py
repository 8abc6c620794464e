"""Prints the ninja targets of the test programs of some suites: test_programs.py BUILD_FOLDER SUITE…"""
import json
import subprocess
import sys
from pathlib import Path


def introspect(build, what):
    run = subprocess.run(["meson", "introspect", f"--{what}", build], capture_output=True, check=True)
    return json.loads(run.stdout)


def main():
    build, suites = Path(sys.argv[1]).resolve(), set(sys.argv[2:])
    tests = introspect(build, "tests")
    files_of = {target["id"]: target["filename"] for target in introspect(build, "targets")}
    programs = set()
    for test in tests:
        # Suites stand as "culvert:unit".
        if not suites & {suite.rsplit(":", 1)[-1] for suite in test["suite"]}:
            continue
        # Arguments and declared dependencies may be programs of the build, too.
        needed = [file for target in test.get("depends", []) for file in files_of.get(target, [])]
        for word in test["cmd"] + needed:
            if build in Path(word).parents and not Path(word).is_dir():
                programs.add(str(Path(word).relative_to(build)))
    print("\n".join(sorted(programs)))


main()
