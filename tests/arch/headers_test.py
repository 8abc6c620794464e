"""Every header of the product compiles on its own. Arguments: the compiler's command line.

A header that its own .cc includes first is proven by the build; this compiles the others.
"""
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sources import ROOT, cpp_files, includes
from tap import Report


def proven_by_build(header):
    source = header.with_suffix(".cc")
    if not (ROOT / source).is_file():
        return False
    first = next(includes(source), None)
    return first is not None and first[2] == str(header)


def compile_alone(header, compiler):
    # Twice, so that a missing include guard shows as well.
    text = f'#include "{header}"\n#include "{header}"\n'
    done = subprocess.run([*compiler, "-fsyntax-only", "-x", "c++", "-"], input=text, capture_output=True, text=True, cwd=ROOT)
    return None if done.returncode == 0 else done.stderr.strip().splitlines()[:6]


def main():
    compiler = sys.argv[1:]
    headers = [h for h in cpp_files("dataplane", "drivers", "control", "tools") if h.suffix == ".h" and not proven_by_build(h)]
    report = Report()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, errors in zip(headers, pool.map(lambda h: compile_alone(h, compiler), headers)):
            report.check(str(header), errors or [], "include what it uses")
    report.finish()


main()
