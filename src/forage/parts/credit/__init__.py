"""Credit: baseline, then assign, then shape. Rewards of sequences become advantages of tokens."""
