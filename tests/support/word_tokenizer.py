"""A tokenizer of forty words for models with random weights."""

from functools import cache

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

VOCABULARY = 40


@cache
def word_tokenizer() -> PreTrainedTokenizerFast:
    words = ["<pad>", "<bos>", "<unk>", "<eos>", *(f"w{number}" for number in range(VOCABULARY - 4))]
    raw = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<eos>", pad_token="<pad>", unk_token="<unk>")
