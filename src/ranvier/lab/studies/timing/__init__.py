"""What the study `rapid` trains, measures and draws."""
