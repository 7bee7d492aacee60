"""Many runs at once: trained in one program, or as tasks in threads; and what they are worth together."""
