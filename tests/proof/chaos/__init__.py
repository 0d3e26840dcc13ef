"""What the proofs about restarts share: signals that are booked, senders, a model of the window."""
