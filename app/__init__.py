"""The web explorer: draws what a model worker reports, and computes nothing of its own."""
