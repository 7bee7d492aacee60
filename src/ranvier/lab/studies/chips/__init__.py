"""Yin-Yang on BrainScaleS-2 chips: the protocol, training in the loop of chips, and tests on other ones."""
