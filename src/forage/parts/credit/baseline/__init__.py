"""Next to its siblings? Values of sequences become relative to their group."""
