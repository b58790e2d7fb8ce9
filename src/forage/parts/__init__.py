"""The seams of a method: explore, rewards, signals, credit, losses, memory, and the values they ask for."""
