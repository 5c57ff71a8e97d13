"""What the notebooks draw, play and check answers with."""
