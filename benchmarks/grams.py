"""How long mining and matching of strategic grams take, on synthetic solutions. `python benchmarks/grams.py [N]`.

Words follow Zipf's law over 20,000; a tenth of the sentences begin with one of 300 stock phrases of 3 to 5 words.
"""

import random
import resource
import sys
import time
from collections.abc import Iterator
from itertools import accumulate

from forage.grams.matching import Matcher, tokens_in_spans
from forage.grams.mining.miner import Miner

TOKENS = 1000
"""Of a response that is matched; here a token is a word with the space before it."""

VOCABULARY, PHRASES, SENTENCES, WORDS = 20_000, 300, 15, 10


def solutions(count: int, seed: int = 0) -> Iterator[str]:
    """Solutions of about 155 words in 15 sentences."""
    rng = random.Random(seed)
    letters = "abcdefghijklmnoprstuvw"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(VOCABULARY)]
    weights = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))
    phrases = [" ".join(rng.choices(words[:2000], k=rng.randint(3, 5))) for _ in range(PHRASES)]
    for _ in range(count):
        sentences = []
        for _ in range(SENTENCES):
            sentence = " ".join(rng.choices(words, cum_weights=weights, k=WORDS))
            if rng.random() < 0.1:
                sentence = f"{rng.choice(phrases)} {sentence}"
            sentences.append(sentence.capitalize() + ".")
        yield " ".join(sentences)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    began = time.perf_counter()
    for _ in solutions(count):
        pass
    writing = time.perf_counter() - began
    began = time.perf_counter()
    cpu = time.process_time()
    found = Miner()(solutions(count), source="synthetic")
    cpu = time.process_time() - cpu
    wall = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"mined {found.made['words']:,} words of {count:,} solutions: {wall:.0f} s ({cpu:.0f} s of CPU), of which "
        f"{writing:.0f} s write the text; {found.made['candidates']} candidates, {found.made['clusters']} clusters, "
        f"{len(found.grams)} grams kept; peak memory {peak:.1f} GiB"
    )

    matcher = Matcher(found.grams)
    pieces = [[f" {word}" for word in " ".join(solutions(8, seed)).split(" ")][:TOKENS] for seed in range(2)]
    text = ["".join(parts) for parts in pieces]
    cpu, rounds = time.process_time(), 200
    for _ in range(rounds):
        for one, parts in zip(text, pieces, strict=True):
            tokens_in_spans(one, parts, matcher.spans(one))
    cpu = (time.process_time() - cpu) / rounds / len(text)
    print(f"matched responses of {len(pieces[0])} tokens: {60 / cpu:,.0f} responses per minute of CPU")


if __name__ == "__main__":
    main()
