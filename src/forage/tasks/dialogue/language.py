"""The language of the dialogue task: who speaks, what can be answered, and what the listeners like.

A speaker says how they feel and asks for something: `ann says i feel sad which tea ?`. A response is a few short
sentences. What the listeners like is written down here as a utility; training never sees it, only comparisons that
were made with it.
"""

import hashlib
import itertools
import random
from dataclasses import dataclass
from typing import Literal

from forage.core.errors import ForageError

END, PAD = "<eos>", "<pad>"
NAMES = ("ann", "ben", "cleo", "dan", "eva", "finn", "gus", "hana")
COMFORT = {"sad": "sorry to hear that", "happy": "how nice for you", "tired": "do get some rest", "angry": "i see why"}
ITEMS = {
    "tea": ("mint", "oolong", "chai"),
    "book": ("emma", "dune", "walden"),
    "walk": ("harbour", "forest", "hill"),
    "song": ("ballad", "waltz", "hymn"),
    "soup": ("leek", "lentil", "onion"),
    "game": ("chess", "go", "rummy"),
}
REASONS = ("it is calm", "it is cheap", "it is new")
RUDE = ("go away", "no idea", "who cares")
CLOSING = "ask me again"

Split = Literal["base", "train", "test"]


@dataclass(frozen=True, slots=True)
class DialogueRequest:
    """Somebody in a mood asks for something."""

    name: str
    mood: str
    topic: str

    @property
    def prompt(self) -> str:
        return f"{self.name} says i feel {self.mood} which {self.topic} ?"

    @property
    def split(self) -> Split:
        """Decided by the request alone, so that no seed moves one from a split into another."""
        bucket = int.from_bytes(hashlib.blake2b(self.prompt.encode(), digest_size=8).digest(), "big") % 10
        return "base" if bucket < 4 else "train" if bucket < 7 else "test"


def request_of(prompt: object) -> DialogueRequest:
    """The request that a prompt makes. Raises ForageError for anything else."""
    words = prompt.split() if isinstance(prompt, str) else []
    if len(words) == 8:
        request = DialogueRequest(words[0], words[4], words[6])
        if request.prompt == prompt and request in REQUESTS:
            return request
    raise ForageError(
        f"{prompt!r} is not a request of the dialogue task, such as {DialogueRequest('ann', 'sad', 'tea').prompt!r}."
    )


REQUESTS = tuple(DialogueRequest(*each) for each in itertools.product(NAMES, COMFORT, ITEMS))
"""All requests there are: eight names, four moods, six topics."""


def _words() -> tuple[str, ...]:
    texts = [*(request.prompt for request in REQUESTS), *COMFORT.values(), *REASONS, *RUDE, CLOSING, "hello try ."]
    texts += [item for items in ITEMS.values() for item in items]
    return (PAD, END, *dict.fromkeys(word for text in texts for word in text.split()))


WORDS = _words()
TOPIC_OF = {item: topic for topic, items in ITEMS.items() for item in items}
BEST = 4.5
"""The utility of the best response: greeted by name, comforted, helped, with a reason, and no more."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a response did for its listener. `utility` is at most 4.5."""

    greeting: float
    comfort: float
    help: float
    reason: float
    rudeness: float
    excess: float

    @property
    def utility(self) -> float:
        return self.greeting + self.comfort + self.help + self.reason + self.rudeness + self.excess


def judge(request: DialogueRequest, text: str) -> Judgement:
    """What the listeners think, sentence by sentence; only the first sentence of a kind counts for it.

    A greeting by the right name +1, by another -1; the right comfort +1, another -1; an item of the topic +2, another
    -1; a reason right behind a fitting item +0.5; -1.5 for every rude sentence; -0.5 for every sentence beyond four,
    and for each that says nothing known.
    """
    greeting = comfort = helped = reason = rudeness = 0.0
    unknown = 0
    sentences = [part for part in (" ".join(piece.split()) for piece in text.split(".")) if part]
    before = ""
    for sentence in sentences:
        first, _, rest = sentence.partition(" ")
        if first == "hello" and rest in NAMES:
            greeting = greeting or (1.0 if rest == request.name else -1.0)
        elif sentence in COMFORT.values():
            comfort = comfort or (1.0 if sentence == COMFORT[request.mood] else -1.0)
        elif first == "try" and rest in TOPIC_OF:
            helped = helped or (2.0 if TOPIC_OF[rest] == request.topic else -1.0)
        elif sentence in REASONS:
            fits = before.startswith("try ") and TOPIC_OF.get(before[4:]) == request.topic
            reason = reason or (0.5 if fits else 0.0)
        elif sentence in RUDE:
            rudeness -= 1.5
        elif sentence != CLOSING:
            unknown += 1
        before = sentence
    excess = -0.5 * (max(0, len(sentences) - 4) + unknown)
    return Judgement(greeting, comfort, helped, reason, rudeness, excess)


def write(request: DialogueRequest, random_: random.Random) -> str:
    """What a careless writer answers: every part is there sometimes, and often wrong."""
    sentences: list[str] = []
    if random_.random() < 0.5:
        sentences.append(f"hello {request.name if random_.random() < 0.6 else random_.choice(NAMES)}")
    if random_.random() < 0.15:
        sentences.append(random_.choice(RUDE))
    if random_.random() < 0.5:
        sentences.append(COMFORT[request.mood if random_.random() < 0.5 else random_.choice(list(COMFORT))])
    for _ in range(random_.choice((0, 1, 1, 1, 2))):
        topic = request.topic if random_.random() < 0.55 else random_.choice(list(ITEMS))
        sentences.append(f"try {random_.choice(ITEMS[topic])}")
        if random_.random() < 0.4:
            sentences.append(random_.choice(REASONS))
    if random_.random() < 0.15:
        sentences.append(random_.choice(RUDE))
    while random_.random() < 0.35:
        sentences.append(CLOSING)
    return " ".join(f"{sentence} ." for sentence in sentences or [CLOSING])
