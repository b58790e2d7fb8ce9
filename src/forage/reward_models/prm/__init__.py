"""Process reward models: labels of reasoning steps, their file formats, and what a model of them minimizes."""
