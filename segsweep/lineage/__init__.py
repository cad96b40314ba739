"""What a job consists of, how its parts descend from each other, and the keys by which they are found again."""
