"""Trees that the proofs run as processes of their own."""
