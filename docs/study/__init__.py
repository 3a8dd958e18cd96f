"""What builds the study site: derivations and their code lines, checks, numbers, pictures."""
