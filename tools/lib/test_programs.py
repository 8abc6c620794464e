"""Prints the ninja targets of the test programs of some suites: test_programs.py BUILD_FOLDER [--and-programs] SUITE…

--and-programs: every program that is no test, too (the product, the benchmarks, what the end-to-end tests start).
"""
import json
import os
import subprocess
import sys
from pathlib import Path


def introspect(build, what):
    run = subprocess.run(["meson", "introspect", f"--{what}", build], capture_output=True, check=True)
    return json.loads(run.stdout)


def programs_of(test, build, files_of):
    """Its command's programs; arguments and declared dependencies may be programs of the build as well."""
    needed = [file for target in test.get("depends", []) for file in files_of.get(target, [])]
    words = {os.path.normpath(word) for word in test["cmd"] + needed}
    return {word for word in words if build in Path(word).parents and not Path(word).is_dir()}


def main():
    arguments = sys.argv[1:]
    others_too = "--and-programs" in arguments
    build, *suites = [argument for argument in arguments if argument != "--and-programs"]
    build = Path(build).resolve()
    targets = introspect(build, "targets")
    files_of = {target["id"]: target["filename"] for target in targets}
    wanted, of_tests = set(), set()
    for test in introspect(build, "tests"):
        programs = programs_of(test, build, files_of)
        of_tests |= programs
        # Suites stand as "culvert:unit".
        if set(suites) & {suite.rsplit(":", 1)[-1] for suite in test["suite"]}:
            wanted |= programs
    if others_too:
        loaded = {"executable", "shared library", "shared module"}
        built = {target["filename"][0] for target in targets if target["type"] in loaded and target["build_by_default"]}
        wanted |= built - of_tests
        # Tests start the product as well.
        wanted |= {name for name in built if not Path(name).is_relative_to(build / "tests")}
    print("\n".join(sorted(str(Path(name).relative_to(build)) for name in wanted)))


main()
