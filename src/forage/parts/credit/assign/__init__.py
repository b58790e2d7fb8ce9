"""Where in the text was it earned? Values of sequences become values of tokens."""
