"""Rules about the text of the project: lengths, clocks and threads in engines, leftovers, paths of somebody's machine."""
import re

from sources import ROOT, code, cpp_files, read, text_files
from tap import Report

WARN_LINES, MAX_LINES = 300, 500
# Engines take time and randomness as arguments and know no socket, file or thread.
ENGINE = re.compile(
    r"(steady|system|high_resolution)_clock::now|\bclock_gettime\b|\bgettimeofday\b|\bstd::(thread|mutex|random_device|ofstream|ifstream)\b"
    r"|\bgetrandom\b|#\s*include\s*<(sys/socket\.h|thread|mutex|fstream|filesystem|unistd\.h|iostream)>")
SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(|^\s*sleep\s+[0-9]", re.M)
LEFTOVER = re.compile(r"\b(TO[D]O|FIXM[E]|XX[X]|HAC[K])\b")
# Absolute paths that only exist where somebody worked.
DEVELOPER_PATH = re.compile(r"(?<![\w.])/(home|Users|root|wor[k]|far[m])/[\w.]|/tmp/(w[t]|re[f])/|\.librar[y]/|\.mirro[r]/")
LINK = re.compile(r"\[[^\]]*\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def matches(pattern, path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.search(line):
            yield f"{path}:{number}: {line.strip()[:100]}"


def main():
    report = Report()
    lengths = {path: read(path).count("\n") for path in text_files() if path.suffix in (".cc", ".h", ".py")}
    for path, lines in sorted(lengths.items(), key=lambda item: -item[1]):
        if lines > WARN_LINES:
            report.note(f"{lines} lines, aim is {WARN_LINES}: {path}")
    report.check(f"no file over {MAX_LINES} lines", [f"{n} lines: {p}" for p, n in lengths.items() if n > MAX_LINES],
                 "split it by purpose")
    report.check("engines take time and randomness as arguments, and know no socket, file or thread",
                 [m for p in cpp_files("control/openvpn") for m in matches(ENGINE, p, code(p))])
    tests = [p for p in text_files() if p.parts[0] == "tests" and p.suffix in (".cc", ".h", ".py", ".sh")]
    report.check("tests wait for conditions and never sleep", [m for p in tests for m in matches(SLEEP, p, code(p))],
                 "poll the condition with a deadline (poll, epoll, an event)")
    everything = [(p, read(p)) for p in text_files() if p.name != "LICENSE"]
    report.check("nothing is left open in the text", [m for p, t in everything for m in matches(LEFTOVER, p, t)],
                 "do it, or write an issue")
    report.check("no paths of somebody's machine", [m for p, t in everything for m in matches(DEVELOPER_PATH, p, t)])
    broken = []
    for path, text in everything:
        if path.suffix == ".md":
            broken += [f"{path}: {link}" for link in LINK.findall(text) if not ((ROOT / path).parent / link).exists()]
    report.check("links in README files point at something", broken)
    report.check("headers have #pragma once", [str(p) for p in cpp_files() if p.suffix == ".h" and "#pragma once" not in read(p)])
    report.finish()


main()
