"""What is publicly known of Loihi 2, as named constants with their sources."""
