"""How a model reasons, read off its responses: pure functions of texts and of what was recorded while sampling."""
