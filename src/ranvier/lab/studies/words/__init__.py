"""Parts of the study `gradients`: the data, and one training."""
