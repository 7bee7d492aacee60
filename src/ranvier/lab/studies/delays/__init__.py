"""What learnable delays add: the cases of the study, and the numbers that suit each."""
