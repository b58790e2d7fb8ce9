"""The words: records, batch, protocols, the door between them, and how all of it is written down."""
