"""Links of two translation directions as one set. A link is (source word, target word) from 0."""

from collections.abc import Callable, Set

from nmt.data.pharaoh import Link


def reverse(links: Set[Link]) -> set[Link]:
    """The links of the opposite translation direction: (i, j) becomes (j, i)."""
    return {(j, i) for i, j in links}


def intersection(forward: Set[Link], backward: Set[Link]) -> set[Link]:
    """Links that both directions found: precise."""
    return set(forward & backward)


def union(forward: Set[Link], backward: Set[Link]) -> set[Link]:
    """Links that either direction found: complete."""
    return set(forward | backward)


NEIGHBOURS: tuple[Link, ...] = ((0, -1), (-1, 0), (0, 1), (1, 0), (-1, -1), (1, -1), (-1, 1), (1, 1))
"""In the order in which symal asks for them, which is of target, then source."""


def make_sort_key(link: Link) -> Link:
    """The key that sorts links by target, then source word."""
    return link[1], link[0]


def grow_diag_final_and(forward: Set[Link], backward: Set[Link]) -> set[Link]:
    """The intersection, grown through neighbours in the union, then joined by links between two free words.

    A neighbour (of eight) joins if its source or its target word is still free, as long as any can; then come links of
    `forward`, then of `backward`, whose two words are both free. All are visited in order of target, then source word,
    as in Moses' symal, so the links are the same as symal's.
    (Koehn et al. 2005, "Edinburgh system description for the 2005 IWSLT speech translation evaluation")
    """
    links, candidates = set(forward & backward), forward | backward
    sources, targets = {i for i, _ in links}, {j for _, j in links}

    def add(link: Link) -> None:
        links.add(link)
        sources.add(link[0])
        targets.add(link[1])

    size = -1
    while len(links) > size:
        size = len(links)
        for i, j in sorted(candidates, key=make_sort_key):
            # Asked now, not before the sweep: a link that has just joined spreads in the same sweep.
            if (i, j) not in links:
                continue
            for down, right in NEIGHBOURS:
                near = (i + down, j + right)
                if near in candidates and (near[0] not in sources or near[1] not in targets):
                    add(near)
    for direction in (forward, backward):
        for link in sorted(direction, key=make_sort_key):
            if link[0] not in sources and link[1] not in targets:
                add(link)
    return links


SYMMETRIZATIONS: dict[str, Callable[[Set[Link], Set[Link]], set[Link]]] = {
    "intersection": intersection,
    "union": union,
    "grow_diag_final_and": grow_diag_final_and,
}


def symmetrize(forward: Set[Link], backward: Set[Link], method: str) -> set[Link]:
    """One set of links from two directions, by one of SYMMETRIZATIONS; `backward` must have been through `reverse`."""
    return SYMMETRIZATIONS[method](forward, backward)
