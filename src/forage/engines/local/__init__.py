"""The engine inside this process: unmodified Hugging Face modules, our attention, our cache, our sampler."""
