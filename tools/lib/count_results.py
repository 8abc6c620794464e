"""Counts the outcome of test runs: count_results.py FILE…   prints "PASSED FAILED SKIPPED".

FILE is meson's testlog*.json (one JSON object per line; gtest and TAP outputs are counted case by case) or JUnit XML of
pytest. A program that fails without a failed case (crash, time limit, sanitizer report) counts as one failure.
"""
import json
import re
import sys
import xml.etree.ElementTree as ElementTree

GTEST = {"passed": re.compile(r"^\[       OK \] ", re.M), "failed": re.compile(r"^\[  FAILED  \] .*\(\d+ ms\)$", re.M),
         "skipped": re.compile(r"^\[  SKIPPED \] .*\(\d+ ms\)$", re.M)}
TAP = {"passed": re.compile(r"^ok \d+(?!.*# SKIP)", re.M), "failed": re.compile(r"^not ok \d+", re.M),
       "skipped": re.compile(r"^ok \d+.*# SKIP", re.M)}


def count_meson(path):
    total = [0, 0, 0]
    with open(path, encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            output = test.get("stdout", "")
            patterns = GTEST if "[==========]" in output else TAP
            counts = [len(patterns[kind].findall(output)) for kind in ("passed", "failed", "skipped")]
            if test["result"] == "SKIP":
                counts = [0, 0, 1]
            elif test["result"] != "OK" and counts[1] == 0:
                counts[1] = 1
            elif test["result"] == "OK" and sum(counts) == 0:
                counts[0] = 1
            total = [a + b for a, b in zip(total, counts)]
    return total


def count_junit(path):
    total = [0, 0, 0]
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        tests, skipped = int(suite.get("tests")), int(suite.get("skipped"))
        failed = int(suite.get("failures")) + int(suite.get("errors"))
        total = [total[0] + tests - failed - skipped, total[1] + failed, total[2] + skipped]
    return total


def main():
    total = [0, 0, 0]
    for path in sys.argv[1:]:
        counts = count_junit(path) if path.endswith(".xml") else count_meson(path)
        total = [a + b for a, b in zip(total, counts)]
    print(*total)


main()
