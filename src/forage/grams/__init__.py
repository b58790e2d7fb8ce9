"""Strategic grams: phrases that say what a reasoner is about to do, and where they stand in a text.

On floor 1, because the planning signal, the mining and the analyzes all read them. Always text, never token ids: in a
byte-pair vocabulary one phrase has many spellings in tokens.
"""
