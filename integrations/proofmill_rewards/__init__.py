"""Rewards of a Proofmill service inside RL trainers, over HTTP. One module per trainer; `client` is what they share."""
