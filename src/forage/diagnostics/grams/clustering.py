"""Leader clustering: one pass, linear memory, and the same answer every time."""

import numpy as np
from numpy.typing import NDArray

from forage.errors import ForageError

BLOCK = 512


def leader_clusters(vectors: NDArray[np.float32], *, radius: float) -> NDArray[np.int64]:
    """(N,) the cluster of each row of `vectors` (N, d), unit rows in order of precedence; clusters count from 0.

    The first row leads the first cluster. Every later row joins the nearest leader if its cosine distance to it is at
    most `radius`, the older one where two are equally near, and else leads a new cluster. So members are within
    `radius` of their leader and leaders farther than `radius` from each other, as with agglomerative clustering cut at
    a cosine threshold, but with N x clusters distances computed in blocks and never more than N x d + block x clusters
    numbers in memory. The order decides who leads: give it the most common first. A row of zeros is a cluster of its
    own. Raises ForageError for a radius outside [0, 1).
    """
    if not 0 <= radius < 1:
        raise ForageError(f"The radius of a cluster is a cosine distance from 0 to below 1, not {radius}.")
    rows, least = len(vectors), 1 - radius - 1e-6  # equal vectors have cosine 1 up to rounding
    cluster = np.empty(rows, dtype=np.int64)
    leaders = np.empty(rows, dtype=np.int64)
    count = 0
    for begin in range(0, rows, BLOCK):
        block = vectors[begin : begin + BLOCK]
        known = count
        near, best = _nearest(block, vectors, leaders[:known])
        inside = block @ block.T
        new: list[int] = []  # leaders that this block itself brings, as rows of the block
        for row in range(len(block)):
            similarity, choice = best[row], near[row]
            if new:
                among = inside[row, new]
                place = int(among.argmax())
                if among[place] > similarity + 1e-6:
                    similarity, choice = among[place], known + place
            if similarity < least:
                choice = known + len(new)
                leaders[choice] = begin + row
                new.append(row)
            cluster[begin + row] = choice
        count += len(new)
    return cluster


def _nearest(
    block: NDArray[np.float32], vectors: NDArray[np.float32], leaders: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The nearest leader of each row of the block and its cosine; -inf where there is none yet."""
    near = np.zeros(len(block), dtype=np.int64)
    best = np.full(len(block), -np.inf, dtype=np.float32)
    for begin in range(0, len(leaders), 16 * BLOCK):
        similarity = block @ vectors[leaders[begin : begin + 16 * BLOCK]].T
        place = similarity.argmax(axis=1)
        value = similarity[np.arange(len(block)), place]
        better = value > best + 1e-6
        near[better], best[better] = begin + place[better], value[better]
    return near, best
