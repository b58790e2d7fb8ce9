"""Process reward models from end to end: labelling solutions, training on the labels, choosing with the result."""
