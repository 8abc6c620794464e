"""What each file of a program names for itself is named differently in its other files.

The sanitizers' builds compile all files of a program as one (CONTRIBUTING.md). There, two files' anonymous namespaces are one:
a second variable or type of a name is an error, but a second function may be an overload that takes calls from the first.
Argument: the build folder.
"""
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from sources import ROOT, code
from tap import Report

# Compiled file by file everywhere: unity=off in their meson.build, which says why.
FILE_BY_FILE = {"dataplane_crypto", "dataplane_crypto_tests"}

STRING = re.compile(r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\])+\'', re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)
NAMESPACE = re.compile(r"(?:inline\s+)?\bnamespace\b\s*([\w:]*)\s*$")
TEMPLATE = re.compile(r"^template\s*<.*?>\s*(?=struct\b|class\b|using\b|[\w:]+[\s&*])", re.S)
TYPE = re.compile(r"(?:struct|class|enum\s+class|enum|union)\s+(?:alignas\([^)]*\)\s*)?(\w+)\b(?![^{;]*\()")
ALIAS = re.compile(r"using\s+(\w+)\s*=\s*(.*)", re.S)
MACRO = re.compile(r"(?:TEST|TEST_F|TEST_P|INSTANTIATE_TEST_SUITE_P|static_assert|friend|using|extern)\b")
FUNCTION = re.compile(r"(\w+)\s*\(")
VARIABLE = re.compile(r"(\w+)\s*(?:\[[^\]]*\]\s*)*$")


def named(head, is_local):
    """(name, what it is) of what a declaration at namespace level names for this file alone, or None."""
    head = TEMPLATE.sub("", head.strip())
    alias = ALIAS.match(head)
    if alias:
        return (alias.group(1), f"using {' '.join(alias.group(2).split())}") if is_local else None
    if not is_local and not re.match(r"(?:(?:inline|constexpr|const)\s+)*static\b", head) or not head or MACRO.match(head):
        return None
    of_type = TYPE.match(head)
    if of_type:
        return of_type.group(1), "type"
    before_value = head.split("=")[0]
    if "(" in before_value:
        function = FUNCTION.search(before_value)
        return (function.group(1), "function") if function else None
    variable = VARIABLE.search(before_value.strip())
    return (variable.group(1), "variable") if variable else None


def local_names(text):
    """{name: what it is} of a source text without comments."""
    text = DIRECTIVE.sub("", STRING.sub('""', text))
    names, scopes, head = {}, [], ""
    for character in text:
        outside = all(scope is not None for scope in scopes)
        if character in "{;" and outside:
            namespace = NAMESPACE.search(head.strip()) if character == "{" else None
            found = None if namespace else named(head, "" in scopes)
            if found:
                names.setdefault(*found)
            if character == "{":
                scopes.append(namespace.group(1) if namespace else None)
            head = ""
        elif character == "{":
            scopes.append(None)
        elif character == "}" and scopes:
            scopes.pop()
            head = ""
        elif outside:
            head += character
    return names


def shared(names_of):
    """Names that mean something of its own in more than one file. An alias may be there twice when it is the same."""
    files = defaultdict(dict)
    for file, names in names_of.items():
        for name, what in names.items():
            files[name][file] = what
    for name, where in sorted(files.items()):
        same_alias = len(set(where.values())) == 1 and next(iter(where.values())).startswith("using ")
        if len(where) > 1 and not same_alias:
            yield f"{name} in " + ", ".join(f"{file} ({what})" for file, what in sorted(where.items()))


def sources_of(target):
    """Of a target of meson's. Where its files are compiled as one, a generated file includes them."""
    for group in target["target_sources"]:
        yield from map(Path, group.get("sources", []))
        for generated in map(Path, group.get("generated_sources", [])):
            if "-unity" in generated.name:
                included = re.findall(r"#include\s*<(.*)>", generated.read_text(encoding="utf-8"))
                yield from (Path(os.path.normpath(generated.parent / file)) for file in included)


def programs(build):
    """(name, its source files) of every library or program with more than one."""
    run = subprocess.run(["meson", "introspect", "--targets", build], capture_output=True, check=True)
    for target in json.loads(run.stdout):
        sources = sorted({s.relative_to(ROOT) for s in sources_of(target) if s.suffix == ".cc" and s.is_relative_to(ROOT)})
        if len(sources) > 1 and target["name"] not in FILE_BY_FILE:
            yield target["name"], sources


def check_the_check(report):
    text = '''namespace a { namespace {
      constexpr size_t kOne = 1; const char* const kTexts[] = {"x;{", "y"}; struct Packet { int field; void member(); };
      template <class T> T& at(T* bytes, size_t offset = 0) { int local = 1; return bytes[offset]; }
      using Bytes = std::vector<uint8_t>; using wire::be16; enum class Kind : uint8_t { kNone }; bool is_one(int);
      } Error shown(int); static int kept = 0; TEST(Suite, Case) { int x; } }'''
    expected = {"kOne": "variable", "kTexts": "variable", "Packet": "type", "at": "function",
                "Bytes": "using std::vector<uint8_t>", "Kind": "type", "is_one": "function", "kept": "variable"}
    found = local_names(text)
    report.check("names of a file are found", [] if found == expected else [f"found {found}"])
    twice = list(shared({"a.cc": local_names("namespace { void say(int); using B = int; }"),
                         "b.cc": local_names("namespace { void say(long); using B = int; }")}))
    other = list(shared({"a.cc": local_names("namespace { using B = int; }"), "b.cc": local_names("namespace { using B = long; }")}))
    rejected = len(twice) == 1 and twice[0].startswith("say in") and len(other) == 1
    report.check("a name with two meanings is found", [] if rejected else [f"found {twice} and {other}"])


def main():
    report = Report()
    check_the_check(report)
    count = 0
    for name, sources in programs(sys.argv[1]):
        count += 1
        problems = list(shared({str(source): local_names(code(source)) for source in sources}))
        if problems:
            report.check(f"the files of {name} name things differently", problems,
                         "a better name for one of them, or one place for both: a header of that folder")
    report.check("programs of several files were looked at", [] if count > 50 else [f"only {count}"])
    report.finish()


main()
