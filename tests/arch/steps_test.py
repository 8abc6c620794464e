"""Steps of the packet path and their names: dataplane/steps/step_name.h lists some of them by hand, for tracing.

A step is a struct with `Verdict operator()`; it is named after its source file. It may take packets where its file says
Verdict::taken() or hands them to control (punt.copy).
"""
import re
from pathlib import Path

from sources import ROOT, code, read
from tap import Report

STEPS = Path("dataplane/steps")
LISTS = ("kOuter", "kTaking", "kLooked")
STRUCT = re.compile(r"^struct (\w+)[^;{]*\{(.*?)^\};", re.S | re.M)
IS_STEP = re.compile(r"\bVerdict operator\(\)\(")
NAME = re.compile(r'\bStepName kName\{"(\w+)"\}')
NAMED_WAY = re.compile(r'\bStepName\("(\w+)"\)')  # of packets that go another way than through steps
TAKES = re.compile(r"\bVerdict::taken\(\)|\bpunt\.copy\(")


def wrong_names(stem, text):
    """What is wrong with the names of the steps in a source file called `stem`."""
    for struct, body in STRUCT.findall(text):
        if IS_STEP.search(body) and NAME.findall(body) != [stem]:
            yield f'{stem}: {struct} needs exactly one: static constexpr StepName kName{{"{stem}"}}'


def listed(text):
    """The lists of step_name.h: {list: [names]}."""
    found = {}
    for name in LISTS:
        match = re.search(rf"std::array {name} = \{{(.*?)\}};", text, re.S)
        found[name] = re.findall(r'"(\w+)"sv', match.group(1)) if match else []
    return found


def wrong_lists(lists, steps, ways, taking):
    """What is wrong with the lists, given the steps there are, ways that are none, and the steps that may take packets."""
    for name, entries in lists.items():
        if not entries:
            yield f"{name}: not found, or empty"
        known = steps if name != "kOuter" else steps | ways
        yield from (f"{name}: {entry} is no step" for entry in entries if entry not in known)
        yield from (f"{name}: {entry} is there twice" for entry in set(entries) if entries.count(entry) > 1)
    for step in sorted(taking ^ set(lists["kTaking"])):
        yield f"kTaking: {step} " + ("may take packets and is missing" if step in taking else "takes no packets")


def main():
    report = Report()
    sources = [path.relative_to(ROOT) for path in (ROOT / STEPS).iterdir() if path.suffix in (".h", ".cc")]
    texts = {path: code(path) for path in sources}
    steps = {path.stem for path, text in texts.items() if any(IS_STEP.search(body) for _, body in STRUCT.findall(text))}
    ways = {name for path, text in texts.items() if path.name != "step_name.h" for name in NAMED_WAY.findall(text)}
    taking = {path.stem for path, text in texts.items() if path.stem in steps and TAKES.search(text)}
    report.check("every step is named after its file", [p for path in sources for p in wrong_names(path.stem, texts[path])])
    included = read(STEPS / "steps.h")
    report.check("steps.h has every step", [f"{step}.h" for step in sorted(steps) if f'/{step}.h"' not in included])
    lists = listed(texts[STEPS / "step_name.h"])
    report.check("the lists of step_name.h name steps that there are, and all that take packets", wrong_lists(lists, steps, ways, taking))

    # The checks must notice what they are there for.
    right = 'struct A {\n  static constexpr StepName kName{"a"};\n  Verdict operator()(Packet&);\n};\n'
    report.check("a step with its file's name passes", wrong_names("a", right))
    wrong = {"another name": right.replace('"a"', '"b"'), "no name": right.replace("StepName kName", "int x")}
    report.check("a wrong or missing name does not", [name for name, text in wrong.items() if not list(wrong_names("a", text))])
    good = {"kOuter": ["a", "way"], "kTaking": ["a"], "kLooked": ["b"]}
    report.check("right lists pass", wrong_lists(good, {"a", "b"}, {"way"}, {"a"}))
    bad = {"no such step": {**good, "kLooked": ["c"]}, "a way in kTaking": {**good, "kTaking": ["a", "way"]},
           "missing": {**good, "kTaking": []}, "takes none": {**good, "kTaking": ["a", "b"]},
           "twice": {**good, "kLooked": ["b", "b"]}, "empty": {**good, "kOuter": []}}
    report.check("wrong ones do not",
                 [name for name, lists in bad.items() if not list(wrong_lists(lists, {"a", "b"}, {"way"}, {"a"}))])
    report.check("there are steps, and some take packets", [] if len(steps) > 10 and len(taking) > 3 else [f"{steps} {taking}"])
    report.finish()


main()
