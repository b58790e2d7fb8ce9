"""The tokenizer of the Countdown language: one token per word, no merges, nothing to learn."""

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from forage.tasks.countdown.grammar import END, PAD, WORDS

TOKEN_OF = {word: token for token, word in enumerate(WORDS)}


def build_tokenizer() -> Tokenizer:
    """Words at white space. There is no unknown token: text in another language is refused, not silently lost."""
    tokenizer = Tokenizer(models.WordLevel(dict(TOKEN_OF)))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(PAD, special=True), AddedToken(END, special=True)])
    return tokenizer
