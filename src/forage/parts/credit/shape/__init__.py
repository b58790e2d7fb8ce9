"""Which tokens matter more? Values of tokens become other values of tokens."""
