"""Just enough of the Test Anything Protocol for meson to list every rule by name."""
import sys


class Report:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, name, problems, way_out=""):
        """One test: passes when `problems` is empty. Each problem is a line for the developer."""
        self.count += 1
        problems = list(problems)
        if not problems:
            print(f"ok {self.count} - {name}")
            return
        self.failed += 1
        print(f"not ok {self.count} - {name}")
        # On stderr, because meson shows that of a failed test, and not the comments of its TAP.
        for problem in problems:
            print(f"{name}: {problem}", file=sys.stderr)
        if way_out:
            print(f"way out: {way_out}", file=sys.stderr)

    def note(self, text):
        print(f"# {text}")

    def finish(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)
