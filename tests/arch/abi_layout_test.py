"""Compares the link's layout with the golden file: abi_layout_test.py PROGRAM GOLDEN [--update]

The golden file says what processes of one ABI version agree on. Entries may be appended to the two lists (drops, counters)
at any time: --update takes them in. Anything else needs a higher kAbiVersion, and --update refuses without it.
"""
import difflib
import subprocess
import sys
from pathlib import Path

from sources import ROOT
from tap import Report

WAY_OUT = ("if this change is meant, raise kAbiVersion in dataplane/abi/layout.h (not needed when entries were only appended "
           "to drop_reasons.def or counters.def), then run: ninja -C build abi-golden")


def is_list_entry(line):
    return line.startswith(("drop ", "counter "))


def split(lines):
    """Version line, layout lines, and the lists as {"drop": [...], "counter": [...]}."""
    lists = {kind: [line for line in lines if line.startswith(kind + " ")] for kind in ("drop", "counter")}
    return lines[0], [line for line in lines[1:] if not is_list_entry(line)], lists


def needs_new_version(golden, now):
    """What of the change is not a mere appending, as text lines."""
    _, old_layout, old_lists = split(golden)
    _, new_layout, new_lists = split(now)
    problems = [line for line in difflib.unified_diff(old_layout, new_layout, "golden", "this build", n=1, lineterm="")]
    for kind, old in old_lists.items():
        problems += [f"{before}: moved or gone" for before, after in zip(old, new_lists[kind]) if before != after]
        problems += [f"{line}: gone" for line in old[len(new_lists[kind]):]]
    return problems


def wrong_seed(seed, now):
    """What is wrong with the link header among the fuzz corpus: three bytes of the target's own, then a LinkHeader."""
    version = int(now[0].split()[-1])
    size = next(int(line.split()[3]) for line in now if line.startswith("struct LinkHeader size "))
    header = seed[3:]
    if len(header) != size:
        yield f"{len(header)} bytes, a header has {size}"
    found = int.from_bytes(header[8:12], "little")  # behind the magic
    if found != version:
        yield f"of version {found}, this is {version}"


def update(golden_path, now):
    golden = golden_path.read_text().splitlines()
    problems = needs_new_version(golden, now) if golden else []
    if problems and golden[0] == now[0]:
        print("\n".join(problems))
        sys.exit("abi-golden: the layout changed but kAbiVersion did not: raise it in dataplane/abi/layout.h first")
    golden_path.write_text("\n".join(now) + "\n")
    print(f"abi-golden: wrote {golden_path.name} for {now[0]}")


def main():
    program, golden_path = sys.argv[1], Path(sys.argv[2])
    now = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()
    if "--update" in sys.argv:
        return update(golden_path, now)
    golden = golden_path.read_text().splitlines()
    report = Report()
    report.check("layout of the link is the golden one", difflib.unified_diff(golden, now, "golden", "this build", n=1, lineterm=""),
                 WAY_OUT)
    # The seed must reach what stands behind the check of the version.
    seed = ROOT / "tests/fuzz/corpus/link_events/header"
    report.check("the link header among the fuzz corpus is of this version", wrong_seed(seed.read_bytes(), now),
                 "ninja -C build fuzz-corpus")
    two = ["abi version 2", "struct LinkHeader size 16 align 8"]
    fitting = bytes(3 + 8) + (2).to_bytes(4, "little") + bytes(4)
    report.check("a header of another version or size is noticed, and no other",
                 [] if not list(wrong_seed(fitting, two)) and list(wrong_seed(fitting[:-1], two))
                 and list(wrong_seed(fitting.replace(b"\2", b"\1"), two)) else ["it is not"])
    # The comparison must notice what it is there for.
    layout = ["abi version 1", "struct S size 8 align 8", "drop 0 a", "drop 1 b", "counter 0 c"]
    report.check("appending to a list needs no new version", needs_new_version(layout, layout + ["counter 1 d"]))
    changes = {"size": [0, layout[0], "struct S size 16 align 8", *layout[2:]],
               "swapped entries": [0, *layout[:2], layout[3], layout[2], layout[4]],
               "entry gone": [0, *layout[:3], layout[4]]}
    report.check("every other change does", [name for name, change in changes.items() if not needs_new_version(layout, change[1:])])
    report.finish()


main()
