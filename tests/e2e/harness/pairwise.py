"""All pairs instead of all combinations: faults show where two settings meet, hardly ever where three must."""

import itertools
from typing import Dict, List, Sequence, Set, Tuple

Case = Tuple[str, ...]
Placed = Tuple[int, str]  # a dimension's index and one of its values
Pair = Tuple[Placed, Placed]


def pairs_of(case: Sequence[str]) -> Set[Pair]:
    return set(itertools.combinations(enumerate(case), 2))


def all_pairs(dimensions: Sequence[Sequence[str]]) -> Set[Pair]:
    """Every value of each dimension with every value of each other one."""
    return {((a, x), (b, y)) for a, b in itertools.combinations(range(len(dimensions)), 2)
            for x in dimensions[a] for y in dimensions[b]}


def pairwise(dimensions: Sequence[Sequence[str]]) -> List[Case]:
    """Few cases in which every pair occurs, always the same ones for the same dimensions. Greedy: each case begins with a
    pair that is still missing and takes, dimension by dimension, the value that adds most missing pairs (of those, the
    one that was used least)."""
    missing = all_pairs(dimensions)
    used: Dict[Placed, int] = dict.fromkeys(((d, v) for d, values in enumerate(dimensions) for v in values), 0)
    cases: List[Case] = []
    while missing:
        chosen: Dict[int, str] = dict(min(missing, key=lambda pair: _order(dimensions, pair)))
        for dimension, values in enumerate(dimensions):
            if dimension not in chosen:
                chosen[dimension] = max(values, key=lambda value, d=dimension: (
                    _gain(missing, chosen, (d, value)), -used[(d, value)]))
        case = tuple(chosen[dimension] for dimension in range(len(dimensions)))
        for placed in enumerate(case):
            used[placed] += 1
        missing -= pairs_of(case)
        cases.append(case)
    return cases


def _gain(missing: Set[Pair], chosen: Dict[int, str], new: Placed) -> int:
    return sum(tuple(sorted((new, placed))) in missing for placed in chosen.items())


def _order(dimensions: Sequence[Sequence[str]], pair: Pair) -> Tuple[int, ...]:
    """The order of the dimensions and of their values, so that sets make no difference from run to run."""
    (a, x), (b, y) = pair
    return (a, b, dimensions[a].index(x), dimensions[b].index(y))
