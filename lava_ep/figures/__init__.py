"""What all figures share: colors and type, numbers as text, many pictures in one figure."""
