"""Parts of the study `gradients`: what is learned, how a spike is differentiated, and one training."""
